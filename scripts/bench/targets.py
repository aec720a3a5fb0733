"""What was aimed at against the peers, and what this run measured of it."""

import statistics

from tables import Rates, echo_ratio, groups_ratio, ratio, table


def _extreme(values, at_least):
    """The worst of (value, clients), or None."""
    known = [v for v in values if v[0] is not None]
    if not known:
        return None
    return (min if at_least else max)(known)


def _rate_targets(results):
    r = Rates(results)

    def over(workload, field, clients, peer="etcd"):
        return [(r.versus(workload, c, peer, field), c) for c in clients]

    many = [c for c in r.clients("put") if c >= 64]
    gets = over("get", "ops_per_s", r.clients("get")) + over(
        "get-burst", "ops_per_s", r.clients("get-burst")
    )
    both = [("put", c) for c in r.clients("put")] + [("get", c) for c in r.clients("get")]
    yield "put throughput, 64 and more clients, of etcd's", 10, True, _extreme(
        over("put", "ops_per_s", many), True
    )
    yield "put throughput, one client, of etcd's", 2, True, _extreme(over("put", "ops_per_s", [1]), True)
    yield "linearizable get throughput, of etcd's", 8, True, _extreme(gets, True)
    for workload in "put", "get":
        yield (
            f"{workload} p99, of etcd's",
            1,
            False,
            _extreme(over(workload, "p99_us", r.clients(workload)), False),
        )
    yield (
        "servers' processor time an operation, of etcd's",
        1 / 8,
        False,
        _extreme([(r.versus(w, c, "etcd", "server_cpu_us"), f"{c} ({w})") for w, c in both], False),
    )
    yield "put throughput, 256 clients, of Redis's", 1, True, _extreme(
        over("put", "ops_per_s", [256], "redis"), True
    )


def _size_targets(results):
    rows = {row["system"]: row for row in results["sizes"]}
    for title, field, limit in (
        ("resident memory, of etcd's", "resident_bytes", 0.6),
        ("disk bytes a key, of etcd's", "disk_bytes", 0.8),
        ("restart, of etcd's", "restart_s", 0.5),
    ):
        known = "synod" in rows and "etcd" in rows
        yield title, limit, False, (rows["synod"][field] / rows["etcd"][field], None) if known else None
    for kind in sorted({row["failure"] for row in results["failover"]}):
        medians = {
            row["system"]: statistics.median(row["seconds"])
            for row in results["failover"]
            if row["failure"] == kind
        }
        known = "synod" in medians and "etcd" in medians
        ratios = (medians["synod"] / medians["etcd"], None) if known else None
        yield f"failover, leader {kind}, of etcd's", 0.25, False, ratios


def _own_targets(results):
    rows = results["groups"]
    if rows:
        counts = sorted({r["groups"] for r in rows})
        worst = _extreme([(groups_ratio(results, n), f"{n} groups") for n in counts[1:]], True)
        yield "puts over more groups on the same machine, of one group's", 1, True, worst
    counts = sorted({r["connections"] for r in results["echo"]})
    kinds = [
        ("get_per_s", "one client on each connection"),
        ("get_leased_per_s", "the same with read leases (read_lease_ms = 100)"),
        ("get_shared_per_s", "16 clients on each connection"),
    ]
    for field, clients in kinds:
        values = [(echo_ratio(results, n, field), f"{n} connections") for n in counts]
        yield f"linearizable gets, {clients}, of a bare echo's", 0.6, True, _extreme(
            values, True
        )


def _text(value, limit=None):
    # What is close to the limit is shown exactly enough to see on which side it is.
    if limit is not None and abs(value - limit) < limit / 50:
        return f"{value:.3f}×"
    return f"1/{1 / value:.1f}" if 0 < value < 0.3 else ratio(value)


def targets(results):
    body = []
    for find in _rate_targets, _size_targets, _own_targets:
        for title, limit, at_least, measured in find(results):
            if measured is None:
                continue
            value, where = measured
            met = value >= limit if at_least else value <= limit
            place = (
                ""
                if where is None
                else f" at {where}"
                if isinstance(where, str)
                else f" at {where} clients"
            )
            body.append(
                [
                    title,
                    ("≥ " if at_least else "≤ ") + _text(limit),
                    _text(value, limit) + place,
                    "met" if met else "**missed**",
                ]
            )
    return table(["", "aim", "worst measured", ""], body) if body else None
