"""The rows of the table, their limits, and the samples that the rounds add."""
import collections, contextlib, dataclasses, pathlib, shutil, statistics, sys, tempfile

from . import point
from .systems import Orchestrator, Shop, Sketch

STORES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
SKETCH_OF = {"sqlite": "sqlite-2", "postgres": "pg-2"}


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a row. Without limits it is only shown."""

    key: str
    text: str
    unit: str = ""
    at_least: float | None = None
    aim: float | None = None
    more_is_better: bool = True

    def reaches(self, value, limit):
        return value >= limit if self.more_is_better else value <= limit


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    figures: tuple[Figure, ...]
    # A row that takes very long is measured only when it is named.
    only_when_named: bool = False

    def figure_keys(self):
        return [figure.key for figure in self.figures]


def of_each_store(text, unit, at_least, aim, more_is_better=True):
    return tuple(Figure(store, f"{name}, {text.format(sketch=SKETCH_OF[store])}", unit, at_least, aim, more_is_better)
                 for store, name in STORES.items())


@dataclasses.dataclass
class Scale:
    """How much is measured. `--check` does all of it in a tiny form."""

    seconds: float = 4.0
    warm_seconds: float = 1.5
    # So many orders instead of so many seconds.
    orders: int | None = None
    in_flight: int = 100_000
    unfinished: int = 200_000
    finished: int = 10_000_000
    idle_seconds: float = 5.0
    starts: int = 5

    @classmethod
    def tiny(cls):
        return cls(seconds=0.3, orders=300, in_flight=600, unfinished=600, finished=2_000, idle_seconds=0.5, starts=2)

    def length(self):
        return ["--requests", self.orders] if self.orders else ["--seconds", self.seconds]

    def warm_length(self):
        return ["--requests", self.orders // 5] if self.orders else ["--seconds", self.warm_seconds]


class Bench:
    """A run: the programs, the scale, and all samples so far."""

    def __init__(self, kit, binaries, scale, stores, rounds, folder, is_check):
        self.kit, self.binaries, self.scale, self.stores, self.is_check = kit, binaries, scale, stores, is_check
        self.work = pathlib.Path(folder)
        self.rounds, self.round = rounds, 0
        # By row, figure and column (`now`, `before`).
        self.samples = collections.defaultdict(list)
        # By system and figure: what the ratios are made of.
        self.absolute = collections.defaultdict(list)
        self.problems = []

    def add(self, row, figure, column, value):
        self.samples[row, figure, column].append(value)

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def check(self, where, told, ledger, **expected):
        found = point.check(told, ledger, **expected)
        self.problems += [f"{where}: {problem}" for problem in found]
        for problem in found:
            self.say(f"    WRONG {where}: {problem}")

    def in_turn(self, things):
        """The things in another order in each round, so that none always comes first."""
        things, at = list(things), self.round % max(1, len(things))
        return things[at:] + things[:at]

    def measured(self):
        """Every binary with every store: column and store."""
        return [(column, store) for store in self.stores for column in self.binaries]

    @contextlib.contextmanager
    def folder(self):
        """A fresh folder. PostgreSQL's user has to reach folders in it."""
        path = pathlib.Path(tempfile.mkdtemp(dir=self.work))
        path.chmod(0o755)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def shop(self, *flags):
        with self.folder() as folder:
            shop = Shop(self.kit, folder, *flags)
            try:
                yield shop
            finally:
                shop.stop()

    @contextlib.contextmanager
    def sketch(self, name, shop):
        with self.folder() as folder:
            system = Sketch(name, self.kit, folder, shop)
            try:
                yield system
            finally:
                system.stop()

    @contextlib.contextmanager
    def orchestrator(self, column, store, shop, folder=None, **more):
        """With an empty store, or with the one that is at `database`, perhaps in `folder`."""
        with contextlib.nullcontext(folder) if folder else self.folder() as folder:
            system = Orchestrator(self.binaries[column], store, folder, shop, **more)
            try:
                yield system
            finally:
                system.stop()

    def warm(self, system, connections=64, *flags):
        """Orders that are not measured; returns how many."""
        return point.load(self.kit, system.urls, connections, *self.scale.warm_length(), *flags)["answers"]

    def point(self, where, system, shop, connections, *flags, **expected):
        """A measured and checked point."""
        shop.clear()
        taken = point.measure(self.kit, system, connections, *self.scale.length(), *flags)
        self.check(where, taken.told, shop.ledger(), **expected)
        self.say(f"    {where:<34} {taken.throughput:9,.0f} orders/s   p50 {taken.p50_ms:7.2f} ms   p99 {taken.told['p99_us'] / 1000:7.2f} ms   "
                 f"CPU {taken.cpu_per_order * 1e6:6.0f} us/order")
        return taken


def summary(samples):
    """Median, smallest and largest; `None` without samples."""
    return (statistics.median(samples), min(samples), max(samples)) if samples else None
