"""PostgreSQL clusters of our own."""
import glob, os, shutil, subprocess

from .processes import free_port


class Cluster:
    """A cluster in a folder, on a free port. Its programs are looked for in /usr/lib/postgresql/*/bin and on the PATH.

    Without settings it has the defaults of `initdb`: fsync and synchronous commits are on. PostgreSQL refuses to run as root: then the
    user `postgres` runs it.
    """

    def __init__(self, folder, *settings):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]))
        self.bin = found[-1] if found else os.path.dirname(shutil.which("initdb") or "")
        self.data, self.port = f"{folder}/pg", free_port()
        os.makedirs(self.data)
        self.run_as = []
        if os.geteuid() == 0:
            shutil.chown(self.data, "postgres")
            os.chmod(folder, 0o755)
            self.run_as = ["runuser", "-u", "postgres", "--"]
        self.run("initdb", "-D", self.data, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-U", "postgres")
        options = [f"-p {self.port}", f"-k {self.data}", "-c listen_addresses=127.0.0.1", *(f"-c {setting}" for setting in settings)]
        self.run("pg_ctl", "-D", self.data, "-w", "-l", f"{self.data}/log", "-o", " ".join(options), "start")
        with open(f"{self.data}/postmaster.pid", encoding="utf-8") as file:
            self.pid = int(file.readline())

    def run(self, program, *arguments, **more):
        return subprocess.run([*self.run_as, f"{self.bin}/{program}", *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **more)

    def database(self, name):
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def psql(self, name, sql, output=subprocess.DEVNULL):
        return subprocess.run([f"{self.bin}/psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", name, "-qAt", "-v",
                               "ON_ERROR_STOP=1", "-c", sql], check=True, stdout=output, text=True).stdout

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
