"""Rows with 10,000,000 finished orders. Filling a journal takes long, so they are measured only when they are named."""
import argparse, contextlib, json, subprocess, sys

from .build import BENCH
from .finished import fill_postgres, fill_sqlite, migrate
from .postgres import Cluster
from .rows import Row, of_each_store

FULL = Row("full", "10,000,000 finished orders, throughput at 64, ratio to an empty store", of_each_store("of an empty store", "x", 0.95, 1.0),
           only_when_named=True)
LISTS = Row("lists", "any documented filter of the lists at 10,000,000 orders: the slowest", of_each_store("median", "ms", 50, 10, False),
            only_when_named=True)


@contextlib.contextmanager
def filled(bench, column, store, folder):
    """The URL of a journal with finished orders in that folder."""
    given, binary = argparse.Namespace(orders=bench.scale.finished, blocked=0), bench.binaries[column]
    if store == "sqlite":
        url = f"sqlite://{folder}/journal.db"
        migrate(binary, url)
        fill_sqlite(folder / "journal.db", given)
        yield url
        return
    cluster = Cluster(folder, "max_wal_size=8GB")
    try:
        url = cluster.database("full")
        migrate(binary, url)
        fill_postgres(lambda sql, output=subprocess.DEVNULL: cluster.psql("full", sql, output), given)
        yield url
    finally:
        cluster.stop()


def full(bench, _):
    """All rounds at once: a journal is filled for each store and binary, and its turns alternate with those of empty ones."""
    for column, store in bench.measured():
        with bench.folder() as folder, bench.shop() as shop, filled(bench, column, store, folder) as url:
            for bench.round in range(bench.rounds):
                throughput = {}
                for which in bench.in_turn(("empty", "full")):
                    there = {"folder": folder, "database": url} if which == "full" else {}
                    with bench.orchestrator(column, store, shop, **there) as running:
                        bench.warm(running)
                        throughput[which] = bench.point(f"{column} {store}, {which}", running, shop, 64).throughput
                bench.add(FULL.name, store, column, throughput["full"] / throughput["empty"])


def lists(bench, _):
    """Delegated to `bench/lists`, once."""
    with bench.folder() as folder:
        command = [sys.executable, BENCH / "lists", "--orders", bench.scale.finished, "--blocked", bench.scale.finished // 500, "--stores",
                   ",".join(bench.stores), "--binary", bench.binaries["now"], "--json", folder / "lists.json"]
        if "before" in bench.binaries:
            command += ["--before", bench.binaries["before"]]
        subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)
        told = json.loads((folder / "lists.json").read_text())
    for column, store in bench.measured():
        bench.add(LISTS.name, store, column, max(told[store][column].values()))
