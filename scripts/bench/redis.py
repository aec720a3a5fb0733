"""Redis: one copy, every write synced before its reply (appendfsync always), loaded by redis-benchmark."""

import csv
import io
import os
import socket
import time

from processes import Failure, Processes, cpu_s, disk_bytes, resident_bytes, run, wait_for

CALIBRATION_OPS_PER_CLIENT = 100
VALUE_BYTES = 256


class Redis:
    name = "redis"
    title = "Redis, one copy"
    copies = 1

    def __init__(self, options, base_port):
        self.options = options
        self.port = base_port
        self.directory = os.path.join(options.dir, f"redis-{base_port}")
        self.processes = Processes(self.directory)
        self.rates = {}

    def start(self):
        listen = (
            f"redis-server --bind 127.0.0.1 --port {self.port} --dir {self.directory} --maxclients 2000"
        )
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.processes.commands["redis"] = listen.split() + durable
        self.restart()
        wait_for(self._ready, "redis serves")

    def _say(self, *words):
        """The first line of the answer to one command, or None."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(" ".join(words).encode() + b"\r\n")
                return connection.recv(4096).decode(errors="replace")
        except OSError:
            return None

    def _ready(self):
        self.processes.check()
        return (self._say("PING") or "").startswith("+PONG")

    def restart(self):
        self.processes.start("redis")

    def stop(self):
        self.processes.end()

    def pids(self):
        self.processes.check()
        return self.processes.pids()

    def _benchmark(self, workload, clients, ops, keys, *arguments):
        test = {"put": "set", "get": "get"}[workload]
        command = (
            f"redis-benchmark -h 127.0.0.1 -p {self.port} -c {clients} -n {ops} -d {VALUE_BYTES} -r {keys}"
        )
        command = command.split() + ["-t", test, "--csv", *arguments]
        self.command = command
        before = cpu_s(self.pids())
        out, client_cpu = run(command)
        server_cpu = cpu_s(self.pids()) - before
        rows = list(csv.DictReader(io.StringIO(out)))
        if len(rows) != 1:
            raise Failure(f"{' '.join(command)} answered: {out}")
        row = rows[0]
        return {
            "ops_per_s": float(row["rps"]),
            "p50_us": float(row["p50_latency_ms"]) * 1000,
            "p99_us": float(row["p99_latency_ms"]) * 1000,
            "server_cpu_us": server_cpu * 1e6 / ops,
            "client_cpu_us": client_cpu * 1e6 / ops,
            "ops": ops,
        }

    def _set(self, number, values):
        key = self.key(number).encode()
        return b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (
            len(key),
            key,
            VALUE_BYTES,
            values[:VALUE_BYTES],
        )

    def fill(self, keys):
        """Each key once, in one pipelined stream: redis-benchmark would choose them by chance."""
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            answers = connection.makefile("rb")
            for first in range(0, keys, 1000):
                batch = range(first, min(first + 1000, keys))
                values = os.urandom(VALUE_BYTES * len(batch))
                connection.sendall(
                    b"".join(self._set(i, values[VALUE_BYTES * n :]) for n, i in enumerate(batch))
                )
                for _ in batch:
                    if answers.readline() != b"+OK\r\n":
                        raise Failure(f"redis refuses writes; see {self.processes.log_of('redis')}")
        return time.monotonic() - start

    def load(self, workload, clients, seconds, keys):
        kind = (workload, clients)
        if kind not in self.rates:
            calibration = max(1000, CALIBRATION_OPS_PER_CLIENT * clients)
            self.rates[kind] = self._benchmark(workload, clients, calibration, keys)["ops_per_s"]
        result = self._benchmark(workload, clients, max(clients, round(self.rates[kind] * seconds)), keys)
        self.rates[kind] = result["ops_per_s"]
        return result

    def resident_bytes(self):
        return resident_bytes(self.pids())

    def disk_bytes(self):
        return disk_bytes(self.directory)

    def until_serving_s(self, key):
        start = time.monotonic()
        wait_for(lambda: (self._say("GET", key) or "").startswith("$"), "redis answers", 300, 0.005)
        return time.monotonic() - start

    def key(self, number):
        return f"key:{number:012d}"

    def version(self):
        return run(["redis-server", "--version"])[0].strip()
