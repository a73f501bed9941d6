"""Programs, and the figures that Linux keeps of them."""
import contextlib, os, pathlib, re, signal, socket, subprocess

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Program:
    """A running program. Its standard error goes to a file, which is shown when the program ends too early."""

    def __init__(self, command, log, **more):
        self.name, self.log = pathlib.Path(command[0]).name, pathlib.Path(log)
        with open(self.log, "ab") as stderr:
            self.process = subprocess.Popen([str(part) for part in command], stderr=stderr, **more)

    @property
    def pid(self):
        return self.process.pid

    def line(self):
        """The first line of standard output: the program says that it is ready."""
        line = self.process.stdout.readline()
        if not line:
            raise self.failure()
        return line

    def failure(self):
        self.kill()
        return RuntimeError(f"{self.name} has ended: {self.log.read_text(errors='replace')[-2000:].strip() or 'without a word'}")

    def has_ended(self):
        return self.process.poll() is not None

    def stop(self):
        """Ends it as an operator would; by force, if that takes too long."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
        self.close()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.close()

    def close(self):
        if self.process.stdout:
            self.process.stdout.close()


def stat(pid):
    """The parent, and the ticks of CPU of the process and of its children that have ended."""
    with contextlib.suppress(OSError):
        # The name in brackets may have blanks and brackets of its own.
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[1]), sum(int(ticks) for ticks in fields[11:15])
    return None


def family(pids):
    """The processes and all their descendants, with their ticks."""
    known = {int(name): found for name in os.listdir("/proc") if name.isdigit() and (found := stat(name))}
    members, left = {}, [pid for pid in pids if pid in known]
    while left:
        pid = left.pop()
        if pid not in members:
            members[pid] = known[pid][1]
            left += [child for child, (parent, _) in known.items() if parent == pid]
    return members


def cpu_seconds(pids):
    return sum(family(pids).values()) / TICKS


def written(pids):
    """Bytes of pages that had to go to the disk, and bytes that were given to write calls (with those to sockets by `writev`)."""
    pages = calls = 0
    for pid in family(pids):
        # A process that has ended meanwhile is in its parent's figures.
        with contextlib.suppress(OSError):
            fields = dict(line.split(": ") for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines())
            pages += int(fields["write_bytes"])
            calls += int(fields["wchar"])
    return pages, calls


def memory_mib(pids):
    """The proportional set size: pages that several processes share are divided among them."""
    total = 0
    for pid in family(pids):
        with contextlib.suppress(OSError):
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M).group(1))
    return total / 1024
