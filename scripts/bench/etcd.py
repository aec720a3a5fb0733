"""etcd: three members on the loopback interface, loaded by etcd's own benchmark tool."""

import base64
import os
import re
import signal
import time

from http_client import ask, first_success_s
from processes import Failure, Processes, cpu_s, disk_bytes, resident_bytes, run, say, wait_for

REPLICAS = 3
CALIBRATION_OPS_PER_CLIENT = 30
FAILED_MAX = 0.01  # of all requests: on a slow disk a few of 1000 clients' run into etcd's own time-out


def encoded(text):
    return base64.b64encode(text.encode()).decode()


PUT = "/v3/kv/put"
PUT_BODY = {"key": encoded("failover"), "value": encoded("v" * 256)}


def failed_requests(out):
    """Of the tool's report: it lists each error with its number at the end, if there were any."""
    _, _, errors = out.partition("Error distribution:")
    return sum(int(number) for number in re.findall(r"^\s*\[(\d+)\]", errors, re.MULTILINE))


class Etcd:
    name = "etcd"
    title = "etcd"
    copies = REPLICAS

    def __init__(self, options, base_port):
        self.options = options
        self.directory = os.path.join(options.dir, f"etcd-{base_port}")
        self.processes = Processes(self.directory)
        self.client = {f"n{i}": f"127.0.0.1:{base_port + 2 * i}" for i in range(REPLICAS)}
        self.peer = {f"n{i}": f"127.0.0.1:{base_port + 2 * i + 1}" for i in range(REPLICAS)}
        self.rates = {}

    def start(self):
        cluster = ",".join(f"{name}=http://{address}" for name, address in self.peer.items())
        for name in self.client:
            client, peer = f"http://{self.client[name]}", f"http://{self.peer[name]}"
            self.processes.commands[name] = (
                f"etcd --name {name} --data-dir {self.directory}/{name} --listen-client-urls {client} "
                f"--advertise-client-urls {client} --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} "
                f"--initial-cluster {cluster} --initial-cluster-state new --quota-backend-bytes 8000000000 "
                "--log-level error"
            ).split()
        self.restart()
        first_success_s(list(self.client.values()), "POST", PUT, PUT_BODY)
        self.leader()
        ask(
            "POST",
            f"http://{self.client['n0']}{PUT}",
            {"key": encoded("bench"), "value": encoded("v" * 256)},
        )

    def restart(self):
        for name in self.processes.commands:
            self.processes.start(name)

    def stop(self):
        self.processes.end()

    def pids(self):
        self.processes.check()
        return self.processes.pids()

    def _benchmark(self, clients, *arguments):
        endpoints, connections = ",".join(self.client.values()), min(clients, self.options.connections)
        command = (
            f"--endpoints {endpoints} --target-leader --precise --clients {clients} --conns {connections}"
        )
        command = [self.options.etcd_benchmark] + command.split() + list(arguments)
        self.command = command
        pids = self.pids()
        before = cpu_s(pids)
        out, client_cpu = run(command)
        server_cpu = cpu_s(pids) - before
        failed = failed_requests(out)
        if failed > FAILED_MAX * int(arguments[arguments.index("--total") + 1]):
            raise Failure(f"errors under load: {out}")
        if failed > 0:
            say(f"etcd: {failed} requests failed, and are counted as if they had not: {' '.join(command)}")

        def figure(pattern):
            match = re.search(pattern, out)
            if match is None:
                raise Failure(f"{' '.join(command)} has no {pattern}: {out}")
            return float(match.group(1))

        ops_per_s = figure(r"Requests/sec:\s*([0-9.]+)")
        ops = round(ops_per_s * figure(r"Total:\s*([0-9.]+)"))
        return {
            "ops_per_s": ops_per_s,
            "p50_us": figure(r"50% in ([0-9.]+)") * 1e6,
            "p99_us": figure(r"99% in ([0-9.]+)") * 1e6,
            "server_cpu_us": server_cpu * 1e6 / ops,
            "client_cpu_us": client_cpu * 1e6 / ops,
            "ops": ops,
        }

    def fill(self, keys):
        start = time.monotonic()
        self._benchmark(
            1000,
            "put",
            "--sequential-keys",
            "--key-space-size",
            str(keys),
            "--total",
            str(keys),
            "--key-size",
            "16",
            "--val-size",
            "256",
        )
        return time.monotonic() - start

    def load(self, workload, clients, seconds, keys):
        """The tool runs a number of operations: as many as the rate before, or a short run, lets expect."""
        arguments = (
            ["put", "--key-size", "16", "--val-size", "256", "--key-space-size", str(keys)]
            if workload == "put"
            else ["range", "bench", "--consistency", "l"]
        )
        kind = (workload, clients)
        if kind not in self.rates:
            calibration = max(300, CALIBRATION_OPS_PER_CLIENT * clients)
            self.rates[kind] = self._benchmark(clients, *arguments, "--total", str(calibration))[
                "ops_per_s"
            ]
        total = max(clients, round(self.rates[kind] * seconds))
        result = self._benchmark(clients, *arguments, "--total", str(total))
        self.rates[kind] = result["ops_per_s"]
        return result

    # ---- memory, disk, restart ----

    def resident_bytes(self):
        return resident_bytes(self.pids())

    def disk_bytes(self):
        return disk_bytes(self.directory)

    def until_serving_s(self, key):
        return first_success_s(
            list(self.client.values()), "POST", "/v3/kv/range", {"key": key}, timeout_s=300
        )

    def key(self, number):
        """Any key will do: a range over none is as linearizable a read as one over some."""
        return encoded(str(number))

    # ---- failover ----

    def leader(self):
        def found():
            answers = {
                name: ask("POST", f"http://{address}/v3/maintenance/status", {})
                for name, address in self.client.items()
            }
            if not all(answers.values()):
                return None
            applied = {answer["raftIndex"] for answer in answers.values()}
            leaders = {answer.get("leader", "0") for answer in answers.values()}
            named = [name for name, answer in answers.items() if answer["header"]["member_id"] in leaders]
            return named[0] if len(leaders) == 1 and len(named) == 1 and len(applied) == 1 else None

        return wait_for(found, "a leader, and followers that have caught up")

    def failover_s(self, how):
        leader = self.leader()
        survivors = [address for name, address in self.client.items() if name != leader]
        self.processes.running[leader].send_signal(how)
        seconds = first_success_s(survivors, "POST", PUT, PUT_BODY)
        self.processes.end([leader], signal.SIGKILL)
        self.processes.start(leader)
        return seconds

    def version(self):
        return run(["etcd", "--version"])[0].splitlines()[0]
