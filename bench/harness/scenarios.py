"""Rows with a load of their own: slow participants, refusals, a graph, several processes."""
from .rows import STORES, Figure, Row, of_each_store
from .systems import definitions

SLOW_MS = 5
# Clients whose payments the participants refuse.
POOR = "1000000-1000999"

DELAY = Row("delay", f"participants of {SLOW_MS} ms, 256 connections, ratio to `bare`", of_each_store("of `bare`", "x", 0.9, 0.98))
REFUSED = Row("refused", "refused payment, rolled back, ratio to our own happy throughput", of_each_store("of its happy throughput", "x", 0.85, 1.0))
GRAPH = Row("graph", f"a graph of 4 calls at once against {SLOW_MS} ms participants: p50, ratio to one call",
            of_each_store("of one call", "x", 1.3, 1.1, False))
REPLICAS = Row("replicas", "three replicas on one PostgreSQL, ratio to one",
               (Figure("postgres", f"{STORES['postgres']}, of one", "x", 0.9, 1.0),))


def delay(bench, _):
    throughput = {}
    for system in bench.in_turn(["bare", *bench.measured()]):
        with bench.shop("--delay-ms", SLOW_MS) as shop:
            opened = bench.sketch(system, shop) if system == "bare" else bench.orchestrator(*system, shop)
            with opened as running:
                bench.warm(running, 256)
                name = system if system == "bare" else " ".join(system)
                throughput[system] = bench.point(f"{name}, {SLOW_MS} ms participants", running, shop, 256).throughput
    for column, store in bench.measured():
        bench.add(DELAY.name, store, column, throughput[column, store] / throughput["bare"])


def refused(bench, _):
    for column, store in bench.in_turn(bench.measured()):
        with bench.shop("--refuse", POOR) as shop, bench.orchestrator(column, store, shop) as running:
            bench.warm(running)
            bench.warm(running, 64, "--clients", POOR)
            throughput = {}
            for kind in bench.in_turn(("200:CONFIRMEE", "200:ECHEC_PAIEMENT")):
                clients = ["--clients", POOR] if kind == "200:ECHEC_PAIEMENT" else []
                where = f"{column} {store}, {kind[4:]}"
                throughput[kind] = bench.point(where, running, shop, 64, *clients, only=kind).throughput
            bench.add(REFUSED.name, store, column, throughput["200:ECHEC_PAIEMENT"] / throughput["200:CONFIRMEE"])


def graph(bench, _):
    for column, store in bench.in_turn(bench.measured()):
        with bench.shop("--delay-ms", SLOW_MS) as shop, bench.orchestrator(column, store, shop, flags=definitions("un", "quatre")) as running:
            p50 = {}
            for saga, calls in bench.in_turn((("un", 1), ("quatre", 4))):
                path = ["--path", f"/api/sagas/{saga}"]
                bench.warm(running, 1, *path)
                effects = {"200:COMPLETED": {"paid": calls}}
                p50[saga] = bench.point(f"{column} {store}, {calls} at once", running, shop, 1, *path, effects=effects).p50_ms
            bench.add(GRAPH.name, store, column, p50["quatre"] / p50["un"])


def replicas(bench, _):
    for column in bench.in_turn(bench.binaries):
        throughput = {}
        for count in bench.in_turn((1, 3)):
            with bench.shop() as shop, bench.orchestrator(column, "postgres", shop, replicas=count) as running:
                bench.warm(running)
                throughput[count] = bench.point(f"{column} postgres, {count} processes", running, shop, 64).throughput
        bench.add(REPLICAS.name, "postgres", column, throughput[3] / throughput[1])
