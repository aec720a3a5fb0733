"""Synod: groups of three replicas with three shard masters, loaded by kvbench."""

import json
import os
import signal
import time

from http_client import first_success_s
from processes import Failure, Processes, disk_bytes, resident_bytes, run, wait_for

REPLICAS = 3
SUCCESS_PATH = "/put"
SUCCESS_BODY = {"key": "failover", "value": "v" * 256}


class Synod:
    name = "synod"
    title = "Synod"
    copies = REPLICAS

    def __init__(self, options, base_port, groups=1, settings=()):
        self.options = options
        self.groups = groups
        self.settings = settings
        self.directory = os.path.join(options.dir, f"synod-{groups}-{base_port}")
        self.processes = Processes(self.directory)
        self.config = os.path.join(self.directory, "cluster.conf")
        self.base_port = base_port
        self.http = {}

    def program(self, name):
        return os.path.join(self.options.bin, name)

    def _write_config(self):
        nodes = [(f"m{i + 1}", "shardmaster", 0) for i in range(3)]
        nodes += [
            (f"g{g + 1}{'abc'[i]}", "shardkv", g + 1) for g in range(self.groups) for i in range(REPLICAS)
        ]
        self.members = {}
        with open(self.config, "w", encoding="ascii") as out:
            out.write("[cluster]\nname = bench\n")
            for setting in self.settings:
                out.write(setting + "\n")
            for number, (node, role, group) in enumerate(nodes, start=1):
                listen = f"127.0.0.1:{self.base_port + number}"
                self.http[node] = f"127.0.0.1:{self.base_port + 50 + number}"
                self.members.setdefault(group, []).append(listen)
                group_line = f"group = {group}\n" if group else ""
                out.write(
                    f"[node {node}]\nrole = {role}\n{group_line}listen = {listen}\n"
                    f"http = {self.http[node]}\n"
                    f"dir = {self.directory}/{node}\n"
                )
        for node, role, _ in nodes:
            self.processes.commands[node] = [
                self.program(role + "d"),
                "--config",
                self.config,
                "--node",
                node,
            ]

    def kvctl(self, *arguments):
        return run([self.program("kvctl"), "--config", self.config, "--timeout", "5s", *arguments])[0]

    def start(self):
        self._write_config()
        self.restart()
        # The first configuration needs a leader of the shard masters; kvctl waits for one.
        for group in range(1, self.groups + 1):
            wait_for(
                lambda g=group: self._try("join", str(g), ",".join(self.members[g])), f"group {group} joins"
            )
        self._wait_until_serving()

    def restart_and_serve(self):
        self.restart()
        self._wait_until_serving()

    def _wait_until_serving(self):
        wait_for(lambda: self._served_by() == self.groups, "all groups serve")

    def _try(self, *arguments):
        self.processes.check()
        try:
            return self.kvctl(*arguments) or "done"
        except Failure:
            return None

    def _served_by(self):
        """How many groups have adopted the configuration that names all of them."""
        nodes = json.loads(self._try("status", "-o", "json") or '{"nodes":[]}')["nodes"]
        return len(
            {
                n["group"]
                for n in nodes
                if n.get("role") == "shardkv" and n.get("leader") and n.get("config", 0) >= self.groups
            }
        )

    def restart(self):
        for node in self.processes.commands:
            self.processes.start(node)

    def stop(self):
        self.processes.end()

    def pids(self):
        self.processes.check()
        return self.processes.pids()

    def _kvbench(self, clients, *arguments, connections=None):
        connections = connections or min(clients, self.options.connections)
        command = [
            self.program("kvbench"),
            "--config",
            self.config,
            "--clients",
            str(clients),
            "--connections",
            str(connections),
            "--value-size",
            "256",
            "--key-size",
            "16",
            "-o",
            "json",
            *arguments,
        ]
        self.command = command
        return json.loads(run(command)[0])

    def fill(self, keys):
        start = time.monotonic()
        self._kvbench(
            1000, "--keys", str(keys), "--fill", "--duration", "0s", "--warmup", "0s", "--workload", "get"
        )
        return time.monotonic() - start

    def load(self, workload, clients, seconds, keys, connections=None):
        result = self._kvbench(
            clients,
            "--workload",
            workload,
            "--keys",
            str(keys),
            "--duration",
            f"{seconds}s",
            "--warmup",
            "500ms",
            "--seed",
            str(time.monotonic_ns()),
            connections=connections,
        )
        if result["errors"] + result["unknown"] > 0:
            raise Failure(f"errors under load: {result}")
        return {
            "ops_per_s": result["ops_per_s"],
            "p50_us": result["p50_us"],
            "p99_us": result["p99_us"],
            "server_cpu_us": sum(d.get("cpu_us_per_op", 0) for d in result["daemons"]),
            "client_cpu_us": result["cpu_us_per_op"],
            "ops": result["ops"],
        }

    # ---- memory, disk, restart ----

    def resident_bytes(self):
        return resident_bytes(self.pids())

    def disk_bytes(self):
        return disk_bytes(self.directory)

    def until_serving_s(self, key):
        """Seconds until a linearizable read of a key is answered."""
        return first_success_s(
            [self.http[f"g1{letter}"] for letter in "abc"], "GET", f"/get/{key}", timeout_s=300
        )

    def key(self, number):
        return f"k{number:015d}"

    # ---- failover ----

    def leader(self):
        def found():
            nodes = json.loads(self.kvctl("status", "-o", "json"))["nodes"]
            replicas = [n for n in nodes if n.get("role") == "shardkv" and n.get("up")]
            leaders = [n["name"] for n in replicas if n.get("leader")]
            caught_up = len(replicas) == REPLICAS * self.groups and all(
                n.get("lag", 0) == 0 for n in replicas
            )
            return leaders[0] if leaders and caught_up else None

        return wait_for(found, "a leader, and followers that have caught up")

    def failover_s(self, how):
        leader = self.leader()
        survivors = [self.http[node] for node in self.http if node.startswith("g1") and node != leader]
        self.processes.running[leader].send_signal(how)
        seconds = first_success_s(survivors, "PUT", SUCCESS_PATH, SUCCESS_BODY)
        self.processes.end([leader], signal.SIGKILL)
        self.processes.start(leader)
        return seconds

    def version(self):
        return self.kvctl("version").strip()
