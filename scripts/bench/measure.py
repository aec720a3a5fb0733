"""What is measured, in which order. Every result is a row; report.py makes tables of them."""

import re
import signal
import statistics
import time

from etcd import Etcd
from processes import Failure, free_ports, run, say
from redis import Redis
from synod import Synod

KEYS = 100000
ECHO_CONNECTIONS = [1, 16, 64]
ECHO_BYTES = 256
ECHO_SHARING = 16  # clients on each connection
READ_LEASE = "read_lease_ms = 100"
GROUP_CLIENTS = 256
GROUP_ROUNDS = 4  # for each of the others': their ratio is near one
GROUP_LOAD_S = 2
ROUND_THE_LOG_PUTS = 300000  # of a group: more than its log takes before a snapshot lets it begin anew
FAILURES = [("killed", signal.SIGKILL), ("stopped", signal.SIGSTOP)]
PORTS = 100  # of one system
BURST_S = 1
SETTLED_S = 2


class Measurement:
    def __init__(self, options):
        self.options = options
        self.next_port = options.base_port
        self.systems = []  # whatever may be running
        self.results = {
            "rates": [],
            "sizes": [],
            "failover": [],
            "groups": [],
            "groups_first": [],
            "echo": [],
            "versions": {},
            "commands": {},
        }

    def _start(self, system):
        self.systems.append(system)
        system.start()
        self.results["versions"][system.name] = system.version()
        return system

    def _stop(self, *systems):
        for system in systems:
            system.stop()
            self.systems.remove(system)

    def stop_all(self):
        for system in list(self.systems):
            self._stop(system)

    def _ports(self):
        """A block of ports that was not used before and that nobody else uses."""
        self.next_port = free_ports(self.next_port, PORTS) + PORTS
        return self.next_port - PORTS

    def _peers(self):
        kinds = [Synod] + [kind for kind in (Etcd, Redis) if kind.name in self.options.peers]
        return [kind(self.options, self._ports()) for kind in kinds]

    # ---- throughput, latency, processor time ----

    def _one_rate(self, system, workload, clients, round_number, after_burst=False):
        row = system.load(workload, clients, self.options.seconds, KEYS)
        row.update(
            system=system.name,
            workload="get-burst" if after_burst else workload,
            clients=clients,
            round=round_number,
        )
        self.results["rates"].append(row)
        self.results["commands"].setdefault(f"{system.name} {workload}", system.command)
        say(
            f"{row['workload']:9} {clients:5} clients  {system.name:6} {row['ops_per_s']:9.0f}/s  "
            f"p50 {row['p50_us']:7.0f} µs  p99 {row['p99_us']:7.0f} µs  "
            f"servers {row['server_cpu_us']:6.1f} µs/op  generator {row['client_cpu_us']:5.1f} µs/op"
        )

    def rates(self):
        systems = [self._start(system) for system in self._peers()]
        for system in systems:
            say(f"{system.title}: {KEYS} keys of 16 + 256 bytes in {system.fill(KEYS):.1f} s")
        for clients in self.options.clients:
            for round_number in range(self.options.rounds):
                for workload in "get", "put":
                    # What runs first may find the machine in another state: the order changes.
                    for system in systems[::-1] if round_number % 2 else systems:
                        self._one_rate(system, workload, clients, round_number)
        for round_number in range(self.options.rounds):
            for system in systems[::-1] if round_number % 2 else systems:
                clients = 64
                system.load("put", clients, BURST_S, KEYS)
                self._one_rate(system, "get", clients, round_number, after_burst=True)
        self._stop(*systems)

    # ---- memory, disk, restart ----

    def sizes(self):
        keys = self.options.keys
        for system in self._peers():
            self._start(system)
            row = {
                "system": system.name,
                "keys": keys,
                "copies": system.copies,
                "fill_s": system.fill(keys),
            }
            time.sleep(SETTLED_S)
            row["resident_bytes"] = system.resident_bytes() / system.copies
            row["disk_bytes"] = system.disk_bytes() / system.copies
            system.processes.end()
            started = time.monotonic()
            system.restart()
            system.until_serving_s(system.key(keys - 1))
            row["restart_s"] = time.monotonic() - started
            row["resident_after_restart_bytes"] = system.resident_bytes() / system.copies
            self.results["sizes"].append(row)
            say(
                f"{keys} keys  {system.name:6} {row['resident_bytes'] / keys:6.0f} B/key resident  "
                f"{row['disk_bytes'] / keys:6.0f} B/key on disk  restart {row['restart_s']:6.2f} s  "
                f"filled in {row['fill_s']:.1f} s"
            )
            self._stop(system)

    # ---- failover ----

    def failover(self):
        for system in self._peers():
            if system.copies == 1:
                continue
            self._start(system)
            for kind, how in FAILURES:
                seconds = [system.failover_s(how) for _ in range(self.options.failovers)]
                self.results["failover"].append(
                    {"system": system.name, "failure": kind, "seconds": seconds}
                )
                say(
                    f"failover  {system.name:6} {kind} median {statistics.median(seconds) * 1000:5.0f} ms of "
                    + " ".join(f"{s * 1000:.0f}" for s in seconds)
                )
            self._stop(system)

    # ---- groups ----

    def _one_group_rate(self, system, round_number):
        clients = GROUP_CLIENTS * system.groups
        row = system.load("put", clients, self.options.seconds, KEYS, 1)
        row.update(groups=system.groups, clients=clients, round=round_number)
        self.results["groups"].append(row)
        say(f"{system.groups} groups  {row['ops_per_s']:9.0f} puts/s")

    def _round_the_log(self, system):
        """
        Puts until the logs write to files that they have used before. The first time round they fill each with
        zeros, and one group would have done so after three seconds, eight after half a minute.
        """
        rates, ops = [], 0
        while ops < ROUND_THE_LOG_PUTS * system.groups:
            row = system.load("put", GROUP_CLIENTS * system.groups, GROUP_LOAD_S, KEYS, 1)
            rates.append(row["ops_per_s"])
            ops += row["ops"]
        rate = statistics.mean(rates)
        self.results["groups_first"].append({"groups": system.groups, "ops_per_s": rate})
        say(f"{system.groups} groups  {rate:9.0f} puts/s while the logs are new")

    def groups(self):
        """
        Total throughput of puts over more and more groups, with as many clients for each. One cluster runs at a
        time; they take turns, since the machine's disk is not always as fast.
        """
        systems = []
        for groups in self.options.groups:
            systems.append(self._start(Synod(self.options, self._ports(), groups)))
            self._round_the_log(systems[-1])
            systems[-1].processes.end()
        for round_number in range(GROUP_ROUNDS * self.options.rounds):
            for system in systems[::-1] if round_number % 2 else systems:
                system.restart_and_serve()
                self._one_group_rate(system, round_number)
                system.processes.end()
        self._stop(*systems)

    # ---- a bare echo ----

    def _one_echo(self, system, leased, connections, round_number):
        out, _ = run([self.options.echo, str(connections), str(ECHO_BYTES), str(self.options.seconds)])
        bare = re.search(r"([0-9]+) messages/s", out)
        if bare is None:
            raise Failure(f"{self.options.echo} answered: {out}")
        row = {"connections": connections, "round": round_number, "echo_per_s": float(bare.group(1))}
        loads = [
            ("get_per_s", system, connections),
            ("get_leased_per_s", leased, connections),
            ("get_shared_per_s", system, ECHO_SHARING * connections),
        ]
        for field, which, clients in loads:
            row[field] = which.load("get", clients, self.options.seconds, KEYS, connections)["ops_per_s"]
        self.results["echo"].append(row)
        say(
            f"{connections:3} connections: {row['get_per_s']:.0f} gets/s, "
            f"{row['get_leased_per_s']:.0f} gets/s with read leases, "
            f"{row['get_shared_per_s']:.0f} gets/s of "
            f"{ECHO_SHARING} clients on each, {row['echo_per_s']:.0f} echoes/s"
        )

    def echo(self):
        """Gets beside a server that only sends back what it has read, with as many connections."""
        system = self._start(Synod(self.options, self._ports()))
        leased = self._start(Synod(self.options, self._ports(), settings=[READ_LEASE]))
        system.fill(KEYS)
        leased.fill(KEYS)
        for connections in ECHO_CONNECTIONS:
            for round_number in range(self.options.rounds):
                self._one_echo(system, leased, connections, round_number)
        self._stop(system)
        self._stop(leased)
