"""Processes that a measurement starts: what they cost, and that each is ended by its own id."""

import os
import resource
import signal
import socket
import subprocess
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ENDING_S = 20


def say(text):
    print(f"bench: {text}", flush=True)


class Failure(Exception):
    """Something in the world does not work; the text says what, and where to look."""


class Processes:
    """The servers of one system. Names are unique; a name may be started again after it has ended."""

    def __init__(self, directory):
        self.directory = directory
        self.running = {}
        self.commands = {}
        os.makedirs(directory, exist_ok=True)

    def log_of(self, name):
        return os.path.join(self.directory, name + ".log")

    def start(self, name, command=None):
        command = self.commands.setdefault(name, command)
        with open(self.log_of(name), "ab") as log:
            # In a session of its own: Ctrl-C reaches this program alone, which then ends them in order.
            self.running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, names=None, how=signal.SIGTERM):
        names = [name for name in (names or list(self.running)) if name in self.running]
        for name in names:
            self.running[name].send_signal(how)
        for name in names:
            process = self.running.pop(name)
            try:
                process.wait(ENDING_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def check(self):
        """Raises if a server has ended by itself."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise Failure(f"{name} ended with {process.returncode}; see {self.log_of(name)}")

    def pids(self):
        return [process.pid for process in self.running.values()]


def cpu_s(pids):
    """User and system time of the processes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def resident_bytes(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            total += int(statm.read().split()[1]) * PAGE_BYTES
    return total


def disk_bytes(directory):
    """Allocated space, as du counts it."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def run(command, timeout_s=600):
    """Runs a load generator to its end: its output, and the processor time it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as late:
        raise Failure(f"still running after {timeout_s} s: {' '.join(command)}") from late
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failure(f"exit status {done.returncode}: {' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wait_for(condition, what, timeout_s=60, interval_s=0.02):
    """Returns what the condition returned once that is true."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {timeout_s} s")
        time.sleep(interval_s)


def _is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(first, count):
    """The beginning of the next `count` ports at or above `first` that nobody listens on."""
    while first + count < 32768:
        taken = [port for port in range(first, first + count) if not _is_free(port)]
        if not taken:
            return first
        first = taken[-1] + 1
    raise Failure(f"there are no {count} free ports below 32768; choose a lower --base-port")
