"""Rows without load: memory, start, size, and the way from a clone to the first order."""
import contextlib, os, signal, subprocess, threading, time

from .build import ROOT
from .processes import Program, free_port, memory_mib
from .rows import STORES, Figure, Row

MB = 1_000_000

IDLE = Row("idle", "idle memory; start to ready", tuple(figure for store, name in STORES.items() for figure in (
    Figure(f"{store} memory", f"{name}, memory when idle", "MB", 25, 15, False),
    Figure(f"{store} ready", f"{name}, start to ready", "ms", 50, 15, False),
    Figure(f"{store} first", f"{name}, the first start, which makes the tables", "ms"))))
SIZE = Row("size", "release binary", (Figure("stripped", "stripped", "MB", 25, 15, False), Figure("whole", "as it is built", "MB")))
CLONE = Row("clone", "clone to first order", (Figure("minutes", "two jobs of cargo, packages already fetched", "min", 3, 2, False),), only_when_named=True)


def idle(bench, _):
    for column, store in bench.in_turn(bench.measured()):
        with bench.orchestrator(column, store, None) as running:
            bench.add(IDLE.name, f"{store} first", column, running.first_start_s * 1000)
            for _ in range(bench.scale.starts):
                running.stop_serving()
                bench.add(IDLE.name, f"{store} ready", column, running.start() * 1000)
            time.sleep(bench.scale.idle_seconds)
            bench.add(IDLE.name, f"{store} memory", column, memory_mib(running.pids) * 1024 * 1024 / MB)


def size(bench, _):
    for column, binary in bench.binaries.items():
        with bench.folder() as folder:
            subprocess.run(["strip", "-o", folder / "stripped", binary], check=True)
            bench.add(SIZE.name, "stripped", column, (folder / "stripped").stat().st_size / MB)
        bench.add(SIZE.name, "whole", column, os.stat(binary).st_size / MB)


def clone(bench, _):
    """The README's first command in a fresh clone, with an empty target folder, until the demo tells of a confirmed order.

    `--check` compiles nothing: it runs the demo of the binary that is there.
    """
    with bench.folder() as folder:
        begun = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(folder / "clone")], check=True)
        run = [bench.binaries["now"]] if bench.is_check else ["cargo", "run", "--profile", "quick", "--locked", "--jobs", "2", "--"]
        environment = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target")}
        program = Program([*run, "demo", "--listen", f"127.0.0.1:{free_port()}", "--data", folder / "shop"], folder / "demo.log", cwd=folder / "clone",
                          env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            for line in program.process.stdout:
                if "CONFIRMEE" in line:
                    break
            else:
                raise program.failure()
            bench.add(CLONE.name, "minutes", "now", (time.monotonic() - begun) / 60)
            # The demo tells of its other orders meanwhile: a full pipe would stop it.
            threading.Thread(target=program.process.stdout.read, daemon=True).start()
        finally:
            # cargo and the demo below it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.process.wait(20)
            program.kill()
