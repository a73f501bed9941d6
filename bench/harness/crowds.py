"""Many orders that are under way at once, waiting for a slow participant; and a start with as many that are not finished.

The saga `lente` is a checkout whose payments go to participants of their own, which answer when they are told to. All its other calls,
and all orders of `checkout`, go to participants that answer at once.
"""
import json, subprocess, time

from . import point, web
from .processes import memory_mib
from .rows import STORES, Figure, Row, of_each_store
from .systems import definitions

IN_FLIGHT = Row("in-flight", "100,000 orders in flight, all waiting for a slow participant: memory", of_each_store("memory", "MiB", 400, 200, False))
UNFINISHED = Row("unfinished", "200,000 unfinished orders at start", tuple(figure for store, name in STORES.items() for figure in (
    Figure(f"{store} ready", f"{name}, ready", "s", 1, 0.3, False),
    Figure(f"{store} share", f"{name}, share of normal throughput while they are taken up", "x", 0.5, 0.8),
    Figure(f"{store} up", f"{name}, all of them running or asleep again", "s", 30, 10, False))))

# Longer than any run: these participants answer when the delay is taken away.
FOR_EVER_MS = 86_400_000
TAKEN_UP_WITHIN_S = 300
# The last answers of the step before are written down.
SETTLED_AFTER_S = 0.5
# Without more room the server would refuse so many orders of one caller: its limits protect it from just that.
ROOM = ("--active-sagas-max", "1000000", "--active-bytes-max", str(32 << 30), "--caller-share-percent", "100")


def within_s(orders):
    """The time after which so many orders should have gone on, even on a slow machine."""
    return 30 + orders / 200


def opened(bench, column, store, shop, slow):
    flags = [*definitions("lente"), *ROOM]
    return bench.orchestrator(column, store, shop, flags=flags, urls={"LENT_URL": slow.url})


def fill(bench, where, system, shop, slow, orders):
    """Starts so many orders of `lente`, and returns once all of them wait for the slow participant."""
    shop.clear()
    told = point.load(bench.kit, system.urls, 64, "--requests", orders, "--respond-async", "--path", "/api/sagas/lente")
    accepted = sum(count for answer, count in told["counts"].items() if answer.startswith("202:"))
    if accepted != orders:
        bench.problems.append(f"{where}: {accepted} of {orders} orders were accepted: {told['counts']} {told['errors']}")
    # An order whose stock is reserved has the slow participant next. Its call is under way, or queued behind `calls_max` others.
    if not web.wait_until(lambda: shop.ledger()["reserved"] >= accepted, within_s(orders), 0.25):
        bench.problems.append(f"{where}: {shop.ledger()['reserved']} of {accepted} orders wait for the slow participant")
    time.sleep(SETTLED_AFTER_S)
    return accepted


def finish(bench, where, shop, slow, orders, checkouts=None, repeated=False):
    """Lets the slow participant answer, and checks that each order has its effects once."""
    slow.delay(0)
    checkouts = checkouts or {"counts": {}, "errors": {}}
    confirmed = checkouts["counts"].get("200:CONFIRMEE", 0)
    web.wait_until(lambda: shop.ledger()["sold"] >= orders + confirmed, within_s(orders), 0.25)
    ledger, payments = shop.ledger(), slow.ledger()
    # Together, the two are the participants of all orders.
    for name in ("paid", "refunded", "paid_cents", "refused", "duplicates", "too_late", "without_key"):
        ledger[name] += payments[name]
    told = {"counts": {**checkouts["counts"], "202:lente": orders}, "errors": checkouts["errors"]}
    bench.check(where, told, ledger, repeated=repeated, effects={
        "200:CONFIRMEE": {"reserved": 1, "paid": 1, "sold": 1}, "202:lente": {"reserved": 1, "paid": 1, "sold": 1}})


def in_flight(bench, _):
    for column, store in bench.in_turn(bench.measured()):
        where = f"{column} {store}, in flight"
        with bench.shop() as shop, bench.shop("--delay-ms", FOR_EVER_MS) as slow, opened(bench, column, store, shop, slow) as running:
            empty = memory_mib(running.pids)
            orders = fill(bench, where, running, shop, slow, bench.scale.in_flight)
            mib = memory_mib(running.pids)
            bench.add(IN_FLIGHT.name, store, column, mib)
            bench.say(f"    {where:<34} {mib:9,.0f} MiB with {orders:,} orders, {empty:,.0f} MiB with none")
            finish(bench, where, shop, slow, orders)


def unfinished(bench, _):
    for column, store in bench.in_turn(bench.measured()):
        where = f"{column} {store}, unfinished"
        with bench.shop() as shop, bench.shop("--delay-ms", FOR_EVER_MS) as slow, opened(bench, column, store, shop, slow) as running:
            bench.warm(running)
            normal = bench.point(f"{column} {store}, normal", running, shop, 64).throughput
            orders = fill(bench, where, running, shop, slow, bench.scale.unfinished)
            running.kill()
            ready_s = running.start()
            share, more_s, checkouts = take_up(bench, where, running, shop, orders, normal)
            up_s = ready_s + more_s
            for figure, value in (("ready", ready_s), ("share", share), ("up", up_s)):
                bench.add(UNFINISHED.name, f"{store} {figure}", column, value)
            bench.say(f"    {where:<34} ready after {ready_s:.2f} s, all up after {up_s:.1f} s, {share:.2f} of normal throughput meanwhile")
            finish(bench, where, shop, slow, orders, checkouts, repeated=True)


def take_up(bench, where, system, shop, orders, normal):
    """Places orders until all old ones run or sleep: their share of normal throughput, the seconds, and the answers."""
    command = point.load_command(bench.kit, system.urls, 64, "--seconds", TAKEN_UP_WITHIN_S + 60)
    sold, begun = shop.ledger()["sold"], time.monotonic()
    loading = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        def are_up():
            # Orders that this process has started hold a slot; those that it has taken over do not.
            metrics = web.Metrics(system.urls[0])
            return metrics.total("sagas_active") - metrics.total("sagas_slots_taken") + metrics.total("sagas_asleep", saga="lente") >= orders

        if not web.wait_until(are_up, TAKEN_UP_WITHIN_S, 0.1):
            bench.problems.append(f"{where}: not all orders were running or asleep after {TAKEN_UP_WITHIN_S} s")
        up_s = time.monotonic() - begun
        # A take-up that is over at once would leave too little to measure.
        time.sleep(max(0.0, bench.scale.seconds / 4 - up_s))
        rate = (shop.ledger()["sold"] - sold) / (time.monotonic() - begun)
    finally:
        loading.terminate()
        out, _ = loading.communicate()
    return rate / normal, up_s, json.loads(out)
