"""Instructions in user mode for one order, by layer: the release build under valgrind's callgrind, which counts the same on any load.

callgrind tells for each function what it took by itself, and for each caller of a function what the calls took. The instructions of a function of ours
belong to its layer. Those of a library's function belong to its callers' layers, in the proportion of what their calls took.
"""
import collections, http.client, json, os, re, shutil, subprocess, sys, time

from . import web
from .postgres import Cluster
from .processes import Program, free_port
from .systems import environment

WARM_UP, ORDERS = 40, 100
READY_WITHIN_S = 300
# How long the process is watched without orders.
IDLE_S = 5
# Under valgrind on a busy machine the process may lose its lease, and then refuses an order.
REFUSALS_MAX = 200
LAYERS = ("server", "engine", "calls", "journal", "runtime")
# Longer chains of calls between functions of libraries carry next to nothing.
ROUNDS = 60


def layer(function):
    """The layer of a function of ours, or of the loop that polls tasks; `None`: it works for its callers."""
    path = function.lstrip("<&(_").removeprefix("mut ").removeprefix("dyn ")
    if path.startswith("saga_engine::participants"):
        return "calls"
    if path.startswith("tokio::runtime::"):
        return "runtime"
    return {"orchestrateur": "server", "saga_engine": "engine", "saga_core": "engine", "saga_journal": "journal"}.get(path.split("::")[0])


class Profile:
    """A file of callgrind: each function's own instructions, and those of the calls from one to another."""

    def __init__(self, lines):
        self.own, self.calls = collections.Counter(), collections.Counter()
        names, function, callee = {}, None, None
        for line in lines:
            if match := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?", line):
                is_callee, number, name = match.groups()
                # A recursion has names of its own: `f'2`.
                name = names.setdefault(number, re.sub(r"'\d+$", "", (name or "").strip()))
                if is_callee:
                    callee = name
                else:
                    function, callee = name, None
            elif line[:1].isdigit() or line[:1] in "+-*":
                if function is None:
                    continue
                cost = int((line.split() + ["0"])[1])
                if callee is None:
                    self.own[function] += cost
                else:
                    self.calls[function, callee] += cost
                    callee = None

    def layers(self):
        """Instructions by layer."""
        callers = collections.defaultdict(dict)
        for (caller, callee), cost in self.calls.items():
            if caller != callee:
                callers[callee][caller] = cost
        share = {function: {layer(function): 1.0} for function in {*self.own, *callers} if layer(function)}
        rest = [function for function in self.own if function not in share]
        rest += [function for function in {caller for caller, _ in self.calls} if function not in share and function not in self.own]
        for _ in range(ROUNDS):
            for function in rest:
                sums = collections.Counter()
                for caller, cost in callers[function].items():
                    for name, part in share.get(caller, {}).items():
                        sums[name] += cost * part
                total = sum(sums.values())
                # The first function of a thread has no callers.
                share[function] = {name: part / total for name, part in sums.items()} if total else {"runtime": 1.0} if not callers[function] else {}
        totals = dict.fromkeys(LAYERS, 0.0)
        for function, cost in self.own.items():
            for name, part in (share[function] or {"runtime": 1.0}).items():
                totals[name] += cost * part
        return totals

    def places(self):
        """The functions that take most by themselves."""
        return self.own.most_common()


class Order:
    """A caller with one kept connection."""

    def __init__(self, port):
        self.connection, self.placed, self.refused = http.client.HTTPConnection("127.0.0.1", port, timeout=120), 0, 0

    def place(self):
        self.placed += 1
        headers = {"content-type": "application/json", "idempotency-key": f"budget-{self.placed:06}"}
        while True:
            self.connection.request("POST", "/api/commande/checkout", json.dumps({"client_id": 7, "magasin_id": 1}), headers)
            answer = self.connection.getresponse()
            text = answer.read().decode()
            if answer.status == 200 and "CONFIRMEE" in text:
                return
            self.refused += 1
            if answer.status != 503 or self.refused > REFUSALS_MAX:
                raise RuntimeError(f"{answer.status}: {text}")
            time.sleep(0.2)

    def place_all(self, count):
        """Places so many, and returns whether none was refused on the way."""
        refused = self.refused
        for _ in range(count):
            self.place()
        return self.refused == refused


def of_one(folder, store, binary, boutique):
    """Instructions of one order by layer and in all, and the profile."""
    if not shutil.which("valgrind"):
        sys.exit("there is no valgrind: install Debian's package `valgrind`")
    cluster = Cluster(folder) if store == "postgres" else None
    programs = []
    try:
        shop = Program([boutique, "--data", f"{folder}/boutique"], f"{folder}/boutique.log", stdout=subprocess.PIPE, text=True)
        programs.append(shop)
        urls = json.loads(shop.line())
        database = cluster.database("orders") if cluster else f"sqlite://{folder}/orders.db"
        port, out = free_port(), f"{folder}/callgrind.out"
        # The number of threads that run tasks changes how often they wake each other.
        settings = {**environment(), "DATABASE_URL": database, "TOKIO_WORKER_THREADS": "2",
                    **{f"{service.upper()}_URL": urls[service] for service in ("panier", "stock", "client", "ventes")}}
        serve = Program(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", binary, "serve", "--listen", f"127.0.0.1:{port}"],
                        f"{folder}/serve.log", env=settings)
        programs.append(serve)
        begun = time.monotonic()
        while not web.is_ready(port):
            if serve.has_ended():
                raise serve.failure()
            if time.monotonic() - begun > READY_WITHIN_S:
                raise RuntimeError(f"it was not ready within {READY_WITHIN_S} s")
            time.sleep(0.2)
        caller = Order(port)
        caller.place_all(WARM_UP)
        while True:
            control(serve, "--zero")
            begun = time.monotonic()
            was_quiet = caller.place_all(ORDERS)
            seconds = time.monotonic() - begun
            if was_quiet:
                break
        control(serve, "--dump")
        control(serve, "--zero")
        time.sleep(IDLE_S)
        control(serve, "--dump")
        profile, idle = read(f"{out}.1"), read(f"{out}.2")
    finally:
        # It has no more to say, and would be slow to end under valgrind.
        for program in reversed(programs):
            program.kill()
        if cluster:
            cluster.stop()
    by_itself = idle.layers()
    layers = {name: (total - by_itself[name] * seconds / IDLE_S) / ORDERS for name, total in profile.layers().items()}
    return {**layers, "all": sum(layers.values())}, profile


def read(file):
    with open(file, encoding="utf-8", errors="replace") as lines:
        return Profile(lines)


def control(program, command):
    subprocess.run(["callgrind_control", command, str(program.pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=120)
