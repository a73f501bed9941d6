"""One measured point, and its check: the effects at the participants are those that callers were told of."""
import dataclasses, json, subprocess

from .processes import cpu_seconds, memory_mib, written

CART_CENTS = 2525
CHECKOUT = "/api/commande/checkout"
# The effects that are left of an order, by the state that its caller was told.
CHECKED_OUT = {"200:CONFIRMEE": {"reserved": 1, "paid": 1, "sold": 1}, "200:ECHEC_PAIEMENT": {}}
NET = {"reserved": "released", "paid": "refunded", "sold": "unsold"}


@dataclasses.dataclass
class Point:
    """The figures of one run of `load` against one system."""

    told: dict
    cpu_s: float
    database_cpu_s: float
    written: int
    write_calls: int
    memory_mib: float

    @property
    def orders(self):
        return max(1, self.told["answers"])

    @property
    def throughput(self):
        return self.told["throughput"]

    @property
    def p50_ms(self):
        return self.told["p50_us"] / 1000

    @property
    def cpu_per_order(self):
        """Seconds of the orchestrator and its database."""
        return (self.cpu_s + self.database_cpu_s) / self.orders


def load_command(kit, urls, connections, *flags):
    return [str(kit / "load"), *(part for url in urls for part in ("--url", url)), "--connections", str(connections), *map(str, flags)]


def load(kit, urls, connections, *flags):
    """Places orders, and returns what `load` has counted."""
    out = subprocess.run(load_command(kit, urls, connections, *flags), check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def measure(kit, system, connections, *flags):
    """Places orders at the system, and takes its figures. Clear the participants' ledger before, and `check` it after."""
    before = cpu_seconds(system.pids), cpu_seconds(system.database_pids), written(system.pids + system.database_pids)
    told = load(kit, system.urls, connections, *flags)
    after = cpu_seconds(system.pids), cpu_seconds(system.database_pids), written(system.pids + system.database_pids)
    return Point(told, after[0] - before[0], after[1] - before[1], after[2][0] - before[2][0], after[2][1] - before[2][1],
                 memory_mib(system.pids))


def check(told, ledger, effects=None, only=None, repeated=False):
    """The differences, as texts, between the answers to callers and the participants' ledger.

    `effects`: those of an order, by its answer; any other answer is a difference. `only`: the one answer that is expected. `repeated`:
    a process was killed, so calls may have been repeated.
    """
    effects, found = effects or CHECKED_OUT, []
    wanted = dict.fromkeys(NET, 0)
    for answer, count in told["counts"].items():
        if answer not in effects or (only and answer != only):
            found.append(f"{count} answers were {answer}")
        for name, times in effects.get(answer, {}).items():
            wanted[name] += times * count
    found += [f"{count} requests failed: {error}" for error, count in told["errors"].items()]
    for name, undone in NET.items():
        left = ledger[name] - ledger[undone]
        if left != wanted[name]:
            found.append(f"{name} - {undone} is {left}, and callers were told of {wanted[name]}")
    if not ledger["refunded"] and ledger["paid_cents"] != wanted["paid"] * CART_CENTS:
        found.append(f"{ledger['paid_cents']} cents were paid instead of {wanted['paid'] * CART_CENTS}")
    if told["counts"].get("200:ECHEC_PAIEMENT", 0) != ledger["refused"] and not repeated:
        found.append(f"{ledger['refused']} payments were refused")
    for name in ("duplicates", "too_late", "without_key") if not repeated else ("without_key",):
        if ledger[name]:
            found.append(f"{ledger[name]} calls were {name.replace('_', ' ')}")
    return found
