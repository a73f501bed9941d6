"""Steady load on an empty store, beside the sketches: throughput, latency, CPU and bytes of an order."""
from .rows import SKETCH_OF, Figure, Row, of_each_store

AT_64 = Row("throughput-64", "throughput, 64 connections, ratio to the sketch", of_each_store("of `{sketch}`", "x", 0.75, 1.0))
AT_256 = Row("throughput-256", "the same at 256", of_each_store("of `{sketch}`", "x", 0.65, 0.9))
P50 = Row("p50-1", "p50 at 1 connection, ratio to the sketch", of_each_store("of `{sketch}`", "x", 1.25, 1.1, False))
CPU = Row("cpu-64", "CPU of orchestrator and database per order at 64, ratio to the sketch", of_each_store("of `{sketch}`", "x", 1.5, 1.1, False))
BYTES = Row("bytes-64", "bytes of an order on SQLite", (
    Figure("written", "written to the disk, at 64 connections", "KiB", 10, 6, False),
    Figure("write-calls", "given to write calls (sockets by `writev` included)", "KiB"),
    Figure("kept", "kept in the file, after a checkpoint", "KB", 1.2, 0.8, False)))
ROWS = (AT_64, AT_256, P50, CPU, BYTES)
CONNECTIONS = {AT_64: 64, AT_256: 256, P50: 1, CPU: 64, BYTES: 64}


def run(bench, wanted):
    counts = sorted({CONNECTIONS[row] for row in wanted})
    stores = bench.stores if set(wanted) != {BYTES} else [store for store in bench.stores if store == "sqlite"]
    sketches = ["bare", *(SKETCH_OF[store] for store in stores)]
    ours = [(column, store) for column, store in bench.measured() if store in stores]
    points = {}
    for system in bench.in_turn([*sketches, *ours]):
        with bench.shop() as shop:
            if isinstance(system, str):
                with bench.sketch(system, shop) as running:
                    points[system], _ = visit(bench, system, running, shop, counts)
                continue
            column, store = system
            with bench.orchestrator(column, store, shop) as running:
                empty = running.file_bytes() if store == "sqlite" else 0
                points[system], orders = visit(bench, f"{column} {store}", running, shop, counts)
                if store == "sqlite" and BYTES in wanted:
                    running.stop_serving()
                    running.checkpoint()
                    bench.add(BYTES.name, "kept", column, (running.file_bytes() - empty) / orders / 1000)
    for column, store in ours:
        own, sketch = points[column, store], points[SKETCH_OF[store]]
        for row, value in (
            (AT_64, lambda at: own[at].throughput / sketch[at].throughput),
            (AT_256, lambda at: own[at].throughput / sketch[at].throughput),
            (P50, lambda at: own[at].p50_ms / sketch[at].p50_ms),
            # A short run may be less than one tick of CPU.
            (CPU, lambda at: own[at].cpu_per_order / sketch[at].cpu_per_order if sketch[at].cpu_per_order else 0.0),
        ):
            if row in wanted:
                bench.add(row.name, store, column, value(CONNECTIONS[row]))
        if store == "sqlite" and BYTES in wanted:
            bench.add(BYTES.name, "written", column, own[64].written / own[64].orders / 1024)
            bench.add(BYTES.name, "write-calls", column, own[64].write_calls / own[64].orders / 1024)


def visit(bench, name, system, shop, counts):
    """The points of one system, and all orders that it has got."""
    points, orders = {}, bench.warm(system)
    for connections in counts:
        taken = points[connections] = bench.point(f"{name}, at {connections}", system, shop, connections)
        orders += taken.orders
        note = bench.absolute
        note[name, f"orders/s at {connections}"].append(taken.throughput)
        note[name, f"p50 ms at {connections}"].append(taken.p50_ms)
        note[name, f"p99 ms at {connections}"].append(taken.told["p99_us"] / 1000)
        note[name, f"CPU us/order at {connections}: process"].append(taken.cpu_s / taken.orders * 1e6)
        note[name, f"CPU us/order at {connections}: database"].append(taken.database_cpu_s / taken.orders * 1e6)
        note[name, f"KiB written/order at {connections}"].append(taken.written / taken.orders / 1024)
        note[name, f"MiB at {connections}"].append(taken.memory_mib)
    return points, orders
