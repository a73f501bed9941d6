"""The programs: the orchestrator of this repository, the kit's, and perhaps an older orchestrator."""
import os, pathlib, subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench"


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()


def release(*packages):
    """Builds these packages of this repository, and returns the folder of their programs."""
    named = [part for package in packages for part in ("--package", package)]
    subprocess.run(["cargo", "build", "--release", "--locked", *named], cwd=ROOT, check=True)
    return target() / "release"


def orchestrator():
    """Builds this repository's orchestrator."""
    return release("orchestrateur") / "orchestrateur"


def kit():
    """Builds the kit, and returns the folder of its programs. Its workspace is its own, and so are its artefacts."""
    folder = target() / "bench"
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=BENCH / "kit", check=True,
                   env={**os.environ, "CARGO_TARGET_DIR": str(folder)})
    return folder / "release"
