"""The systems, each started anew with an empty store: participants, sketches, orchestrators."""
import contextlib, functools, json, os, pathlib, sqlite3, subprocess, time

from . import web
from .build import BENCH
from .postgres import Cluster
from .processes import Program, free_port

READY_WITHIN_S = 120
SERVICES = ("PANIER_URL", "STOCK_URL", "CLIENT_URL", "VENTES_URL")
# An address where nothing answers, for definitions whose participants are not part of a measurement.
NOWHERE = "http://127.0.0.1:1"


@functools.cache
def knows(binary, flag):
    """Whether `serve` of that release knows the flag; older ones may not."""
    usage = subprocess.run([binary, "serve", "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return flag in usage.split()


def without_keys(binary):
    """The flag that `serve` wants when there are no keys."""
    return ["--insecure-no-auth"] if knows(binary, "--insecure-no-auth") else []


def the_built_in_checkout(binary):
    """The flag that has `/api/commande` go on with it when there are files of definitions."""
    return ["--commande-saga", "checkout"] if knows(binary, "--commande-saga") else []


def environment():
    """That of this process, without settings of the orchestrator: it is measured with its defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATEUR_") and name != "DATABASE_URL_FILE"}


class Shop:
    """The participants."""

    def __init__(self, kit, folder, *flags):
        self.program = Program([kit / "participants", *flags], folder / "participants.log", stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.program.line())["listen"]
        self.url = f"http://{self.address}"

    def ledger(self):
        return web.get_json(f"{self.url}/ledger")

    def clear(self):
        web.post(f"{self.url}/ledger/clear")

    def delay(self, milliseconds):
        web.post(f"{self.url}/delay", str(milliseconds).encode())

    def stop(self):
        self.program.stop()


class Sketch:
    """`bare`, `sqlite-2` or `pg-2`: the limit."""

    replicas = 1

    def __init__(self, name, kit, folder, shop):
        self.name, self.cluster = name, None
        store = {"bare": ["bare"], "sqlite-2": ["sqlite", "--file", folder / "rows.db"], "pg-2": ["postgres"]}[name]
        if name == "pg-2":
            self.cluster = Cluster(folder)
            store += ["--url", self.cluster.database("sketch")]
        try:
            command = [kit / "limit", *store, "--participants", shop.address]
            self.program = Program(command, folder / "limit.log", stdout=subprocess.PIPE, text=True)
            self.urls = [f"http://{json.loads(self.program.line())['listen']}"]
        except BaseException:
            self.stop_cluster()
            raise

    @property
    def pids(self):
        return [self.program.pid]

    @property
    def database_pids(self):
        return [self.cluster.pid] if self.cluster else []

    def stop_cluster(self):
        if self.cluster:
            self.cluster.stop()

    def stop(self):
        self.program.stop()
        self.stop_cluster()


class Orchestrator:
    """One `orchestrateur serve` or several, on a store of their own.

    `urls`: more variables of the environment, for definitions of ours. `flags`: more flags of `serve`.
    """

    def __init__(self, binary, store, folder, shop, replicas=1, flags=(), urls=(), database=None):
        self.binary, self.store, self.folder = binary, store, pathlib.Path(folder)
        self.flags = [*flags, *(the_built_in_checkout(binary) if "--definition" in flags else []), *without_keys(binary)]
        self.services = {name: shop.url if shop else NOWHERE for name in SERVICES} | dict(urls)
        self.programs, self.ports = [], [free_port() for _ in range(replicas)]
        self.file = self.folder / "journal.db"
        self.cluster = Cluster(folder) if store == "postgres" and not database else None
        self.database = database or (self.cluster.database("orders") if self.cluster else f"sqlite://{self.file}")
        try:
            self.first_start_s = self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def urls(self):
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def pids(self):
        return [program.pid for program in self.programs]

    @property
    def database_pids(self):
        return [self.cluster.pid] if self.cluster else []

    def start(self):
        """Starts the processes, and returns how long they took until all were ready, in seconds."""
        begun = time.monotonic()
        for number, port in enumerate(self.ports):
            command = [self.binary, "serve", "--listen", f"127.0.0.1:{port}", "--log", "warn", "--replica", f"bench-{number}", *self.flags]
            self.programs.append(Program(command, self.folder / "serve.log", env={**environment(), **self.services, "DATABASE_URL": self.database}))
        for program, port in zip(self.programs, self.ports):
            while not web.is_ready(port):
                if program.has_ended():
                    raise program.failure()
                if time.monotonic() - begun > READY_WITHIN_S:
                    raise RuntimeError(f"{self.binary} was not ready within {READY_WITHIN_S} s")
                time.sleep(0.001)
        return time.monotonic() - begun

    def kill(self):
        """Ends the processes as a power cut would."""
        for program in self.programs:
            program.kill()
        self.programs = []

    def stop_serving(self):
        for program in self.programs:
            program.stop()
        self.programs = []

    def stop(self):
        self.stop_serving()
        if self.cluster:
            self.cluster.stop()

    def file_bytes(self):
        """Bytes of the SQLite journal, with what is in its write-ahead log. While `serve` runs, nothing is written for that."""
        with contextlib.closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as file:
            return file.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]

    def checkpoint(self):
        """Moves all of the write-ahead log into the file. `serve` must have ended."""
        with contextlib.closing(sqlite3.connect(self.file)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def definitions(*names):
    """The flags that load sagas of `bench/sagas`."""
    return [part for name in names for part in ("--definition", str(BENCH / "sagas" / f"{name}.yaml"))]
