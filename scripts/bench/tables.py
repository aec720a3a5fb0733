"""Markdown tables of results: for each block of docs/performance.md one function, None if not measured."""

import statistics

TITLES = {"synod": "Synod", "etcd": "etcd", "redis": "Redis (one copy)"}
WORKLOADS = {"put": "put", "get": "get", "get-burst": "get after a burst of puts"}


def ratio(value):
    return f"{value:.2f}×" if value < 10 else f"{value:.0f}×"


def time_text(us):
    return f"{us / 1000:.1f} ms" if us >= 1000 else f"{us:.0f} µs"


def count_text(value):
    return f"{value:,.0f}".replace(",", " ")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


class Rates:
    """Rows of results["rates"], by workload and clients; medians over the rounds, ratios round by round."""

    def __init__(self, results):
        self.rows = results["rates"]
        self.systems = [s for s in TITLES if any(r["system"] == s for r in self.rows)]
        self.peers = [s for s in self.systems if s != "synod"]

    def clients(self, workload):
        return sorted({r["clients"] for r in self.rows if r["workload"] == workload})

    def of(self, workload, clients, system):
        found = [
            r
            for r in self.rows
            if (r["workload"], r["clients"], r["system"]) == (workload, clients, system)
        ]
        return sorted(found, key=lambda r: r["round"])

    def median(self, workload, clients, system, field):
        found = [r[field] for r in self.of(workload, clients, system)]
        return statistics.median(found) if found else None

    def versus(self, workload, clients, peer, field):
        """Synod's figure divided by the peer's in the same round, the median of that; or None."""
        pairs = zip(self.of(workload, clients, "synod"), self.of(workload, clients, peer))
        found = [ours[field] / theirs[field] for ours, theirs in pairs if theirs[field] > 0]
        return statistics.median(found) if found else None


def rates(results, workload):
    r = Rates(results)
    if not r.clients(workload):
        return None
    head = ["clients"]
    for system in r.systems:
        head += [f"{TITLES[system]}, /s", "p50", "p99", "CPU µs/op"]
    head += [f"vs {TITLES[p]}" for p in r.peers]
    rows = []
    for clients in r.clients(workload):
        row = [str(clients)]
        for system in r.systems:
            figures = [
                r.median(workload, clients, system, f)
                for f in ("ops_per_s", "p50_us", "p99_us", "server_cpu_us")
            ]
            row += [
                f"**{count_text(figures[0])}**" if system == "synod" else count_text(figures[0]),
                time_text(figures[1]),
                time_text(figures[2]),
                f"{figures[3]:.1f}",
            ]
        rows.append(row + [ratio(r.versus(workload, clients, p, "ops_per_s")) for p in r.peers])
    return table(head, rows)


def generators(results):
    """The generators' own processor time, beside that of the servers they loaded."""
    r = Rates(results)
    if not r.rows:
        return None
    rows = []
    for workload in ("put", "get"):
        for clients in r.clients(workload):
            row = [f"{workload}, {clients} clients"]
            for system in r.systems:
                own = r.median(workload, clients, system, "client_cpu_us")
                servers = r.median(workload, clients, system, "server_cpu_us")
                row.append(
                    f"{own:.1f} of {own + servers:.1f} µs ({100 * own / max(own + servers, 0.01):.0f} %)"
                )
            rows.append(row)
    return table(["load"] + [TITLES[s] for s in r.systems], rows)


def sizes(results):
    rows = results["sizes"]
    if not rows:
        return None
    body = []
    for row in rows:
        body.append(
            [
                TITLES[row["system"]],
                f"{row['resident_bytes'] / 1048576:.0f} MiB",
                f"{row['resident_bytes'] / row['keys']:.0f}",
                f"{row['disk_bytes'] / row['keys']:.0f}",
                f"{row['restart_s']:.2f} s",
                f"{row['resident_after_restart_bytes'] / 1048576:.0f} MiB",
                f"{row['fill_s']:.1f} s",
            ]
        )
    return f"{count_text(rows[0]['keys'])} keys:\n\n" + table(
        [
            "a copy of",
            "resident",
            "resident bytes a key",
            "disk bytes a key",
            "restart until a key is read",
            "resident after it",
            "time to fill",
        ],
        body,
    )


def failover(results):
    rows = results["failover"]
    if not rows:
        return None
    body = []
    for row in sorted(rows, key=lambda r: r["failure"]):
        ms = sorted(s * 1000 for s in row["seconds"])
        body.append(
            [f"{TITLES[row['system']]}, leader {row['failure']}"]
            + [f"{t:.0f} ms" for t in (statistics.median(ms), ms[0], ms[-1])]
            + [str(len(ms))]
        )
    return table(["", "median", "least", "most", "times"], body)


def groups_ratio(results, n):
    """Puts of n groups, of those of the fewest groups: the median of the rounds' ratios."""
    rates = {(r["groups"], r["round"]): r["ops_per_s"] for r in results["groups"]}
    fewest = min(groups for groups, _ in rates)
    return statistics.median(rates[g, r] / rates[fewest, r] for g, r in rates if g == n)


def groups(results):
    rows = results["groups"]
    if not rows:
        return None
    body = []
    counts = sorted({r["groups"] for r in rows})
    first = {r["groups"]: r["ops_per_s"] for r in results.get("groups_first", [])}

    def median(n, field):
        return statistics.median(r[field] for r in rows if r["groups"] == n)

    for n in counts:
        body.append(
            [
                str(n),
                count_text(median(n, "ops_per_s")),
                ratio(groups_ratio(results, n)),
                time_text(median(n, "p99_us")),
                f"{median(n, 'server_cpu_us'):.1f}",
                count_text(first[n]) if n in first else "",
            ]
        )
    head = ["groups", "puts/s in total", f"of {counts[0]} group's", "p99", "CPU µs/op"]
    return table([*head, "puts/s while the logs were new"], body)


def echo_ratio(results, connections, field):
    return statistics.median(
        r[field] / r["echo_per_s"] for r in results["echo"] if r["connections"] == connections
    )


def echo(results):
    rows = results["echo"]
    if not rows:
        return None
    body = []
    for n in sorted({r["connections"] for r in rows}):
        row = [str(n)]
        for field in "echo_per_s", "get_per_s", "get_leased_per_s", "get_shared_per_s":
            row.append(count_text(statistics.median(r[field] for r in rows if r["connections"] == n)))
            if field != "echo_per_s":
                row.append(ratio(echo_ratio(results, n, field)))
        body.append(row)
    return table(
        [
            "connections",
            "bare echoes/s",
            "gets/s, one client on each",
            "of the echo's",
            "the same with read leases",
            "of the echo's",
            "gets/s, 16 clients on each",
            "of the echo's",
        ],
        body,
    )
