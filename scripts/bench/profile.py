"""Where the time of an operation goes; see profile.sh."""

import argparse
import collections
import glob
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import report
from processes import Failure, free_ports, run, wait_for
from synod import Synod
from tables import table

SHORT, LONG = 1000, 3000  # operations
WORKLOADS = ["put", "get"]
FUNCTIONS = 12
LOAD_S = 3
PERF_TOTAL = "raw_syscalls:sys_enter"
CALLS = ["epoll_wait", "sendto", "recvfrom", "read", "write", "writev", "sendmsg", "recvmsg", "pwrite64"]
CALLS += ["fdatasync", "futex", "epoll_ctl"]


# ---- instructions ----


def instructions():
    """{workload: [(instructions an operation, file, function)]}, the dearest first."""
    out, _ = run(["tests/bench/instructions.sh", "--show", "100000"])
    found, workload = {}, None
    for line in out.splitlines():
        head = re.match(r"(put|get): \d+ instructions$", line)
        if head:
            workload = head.group(1)
            found[workload] = []
        elif workload:
            count, name = line.split(" ", 1)
            found[workload].append((float(count), *name.rsplit(":", 1)))
    return found


def layer_of(file):
    return "src/" + file.split("/")[0] if "/" in file else "C library"


def layers_table(counts):
    totals = {w: collections.Counter() for w in WORKLOADS}
    for workload in WORKLOADS:
        for count, file, _ in counts[workload]:
            totals[workload][layer_of(file)] += count
    rows = [
        [layer] + [f"{totals[w][layer]:.0f}" for w in WORKLOADS] for layer, _ in totals["put"].most_common()
    ]
    rows.append(["**together**"] + [f"**{sum(totals[w].values()):.0f}**" for w in WORKLOADS])
    return table(["instructions an operation", "put", "get"], rows)


def functions_table(counts):
    rows = []
    for put, get in zip(counts["put"][:FUNCTIONS], counts["get"][:FUNCTIONS]):
        rows.append([f"`{put[1]}: {put[2]}`", f"{put[0]:.0f}", f"`{get[1]}: {get[2]}`", f"{get[0]:.0f}"])
    return table(["dearest functions of a put", "", "of a get", ""], rows)


# ---- allocations and copies ----


def names_of_simulator(build):
    """Functions of the simulator and of the load, and helpers that count for whoever calls them."""
    simulator, helpers, protocol = set(), set(), set()
    for path in glob.glob(f"{build}/obj/src/*/*/*.o") + [f"{build}/obj/tests/bench/calm_load.o"]:
        names = {
            line.split()[2].split(".")[0]
            for line in run(["nm", "--defined-only", path])[0].splitlines()
            if line.split()[1] in "tT"
        }
        kind = (
            simulator
            if "/src/sim/" in path or "/tests/" in path
            else helpers
            if "/src/base/" in path
            else protocol
        )
        kind |= names
    return simulator - protocol, protocol


def whose(frames, simulator, protocol):
    for frame in frames:
        match = re.match(r"0x[0-9A-F]+: (\S+)", frame)
        name = match.group(1).split(".")[0] if match else ""
        if name in protocol:
            return "protocol"
        if name in simulator:
            return "simulator"
    return "protocol"


def dhat(build, scratch, mode, workload, operations, names):
    """(blocks, bytes) that were not the simulator's."""
    out = os.path.join(scratch, f"dhat.{mode}.{workload}.{operations}")
    run(
        [
            "valgrind",
            "--tool=dhat",
            f"--mode={mode}",
            "--num-callers=8",
            f"--dhat-out-file={out}",
            f"{build}/tests/bench/calm_load",
            workload,
            str(operations),
        ]
    )
    with open(out, encoding="utf-8") as text:
        profile = json.load(text)
    blocks = size = 0
    for point in profile["pps"]:
        if whose([profile["ftbl"][f] for f in point["fs"]], *names) == "protocol":
            blocks += point["tbk"]
            size += point["tb"]
    return blocks, size


def memory_table(build, scratch):
    names = names_of_simulator(build)
    rows = [
        ["allocations", []],
        ["bytes allocated", []],
        ["copies (memcpy and the like, not inlined ones)", []],
        ["bytes copied", []],
    ]
    for workload in WORKLOADS:
        for first, mode in ((0, "heap"), (2, "copy")):
            short, long = (dhat(build, scratch, mode, workload, n, names) for n in (SHORT, LONG))
            for i in range(2):
                rows[first + i][1].append(f"{(long[i] - short[i]) / (LONG - SHORT):.1f}")
    return table(
        ["an operation, of client and three replicas"] + WORKLOADS, [[name] + cells for name, cells in rows]
    )


# ---- system calls ----


def perf_works():
    """The kernel counts system calls by itself, which slows them less than strace does."""
    try:
        return "raw_syscalls" in run(["perf", "stat", "-x,", "--log-fd", "1", "-e", PERF_TOTAL, "true"])[0]
    except (Failure, FileNotFoundError):
        return False


def start_tracer(pid, out, use_perf):
    command = ["strace", "-f", "-c", "-o", out, "-p", str(pid)]
    if use_perf:
        events = [PERF_TOTAL] + [f"syscalls:sys_enter_{call}" for call in CALLS]
        command = ["perf", "stat", "-x,", "-o", out, "-p", str(pid), "-e", ",".join(events)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def count_calls(pids, scratch, use_perf, load):
    """The result of the load, and the calls that each process made meanwhile."""
    outs = {pid: os.path.join(scratch, f"calls.{pid}") for pid in pids}
    tracers = [start_tracer(pid, out, use_perf) for pid, out in outs.items()]
    try:
        if use_perf:
            time.sleep(0.5)  # nothing tells when it has begun; so little of a load is lost to the count
        for pid in [] if use_perf else pids:
            wait_for(lambda p=pid: all(map(_traced, glob.glob(f"/proc/{p}/task/*"))), "strace attaches")
        result = load()
    finally:
        for tracer in tracers:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
    return result, [_read_perf(out) if use_perf else _read_strace(out) for out in outs.values()]


def _traced(task):
    with open(f"{task}/status", encoding="ascii", errors="replace") as status:
        return re.search(r"^TracerPid:\s*[1-9]", status.read(), re.MULTILINE)


def _read_strace(path):
    counts = collections.Counter()
    with open(path, encoding="ascii", errors="replace") as text:
        for line in text:
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                counts[fields[-1]] += int(fields[3])
    return counts


def _read_perf(path):
    counts = collections.Counter()
    with open(path, encoding="ascii", errors="replace") as text:
        for line in text:
            fields = line.split(",")
            if len(fields) > 2 and fields[0].isdigit():
                counts[fields[2].replace("syscalls:sys_enter_", "")] += int(fields[0])
    # The total is counted too; what is left of it are other calls.
    total = counts.pop(PERF_TOTAL, 0)
    counts["others"] = max(0, total - sum(counts.values()))
    return counts


def calls_row(title, counts, operations):
    frequent = [(call, n / operations) for call, n in counts.most_common(6) if n / operations >= 0.005]
    return [
        title,
        f"{sum(counts.values()) / operations:.2f}",
        ", ".join(f"{c} {n:.2f}" for c, n in frequent),
    ]


def calls_table(options, scratch):
    use_perf = perf_works()
    where = SimpleNamespace(dir=scratch, bin=os.path.join(options.build, "bin"), connections=16)
    system = Synod(where, free_ports(options.base_port, 100))
    rows = []
    try:
        system.start()
        leader = system.leader()
        follower = next(n for n in system.http if n.startswith("g") and n != leader)
        pids = [system.processes.running[n].pid for n in (leader, follower)]
        system.fill(10000)
        for workload, clients in itertools.product(WORKLOADS, (1, 64)):
            result, counts = count_calls(
                pids, scratch, use_perf, lambda w=workload, c=clients: system.load(w, c, LOAD_S, 10000, 1)
            )
            # The half second before the measurement was counted too.
            operations = result["ops"] * (LOAD_S + 0.5) / LOAD_S
            title = f"{workload}, {clients} client{'s' * (clients > 1)}"
            rows += [
                calls_row(f"{title}, leader", counts[0], operations),
                calls_row(f"{title}, follower", counts[1], operations),
            ]
    finally:
        system.stop()
    tool = "perf" if use_perf else "strace"
    lines = table([f"counted by {tool}", "system calls an operation", "the most frequent"], rows)
    return lines.replace("|---|---:|---:|", "|---|---:|---|")


def main():
    p = argparse.ArgumentParser(prog="scripts/bench/profile.sh")
    p.add_argument("--build", required=True)
    p.add_argument("--docs", action="store_true")
    p.add_argument("--base-port", type=int, default=15000)
    options = p.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    scratch = tempfile.mkdtemp(prefix="profile-", dir=os.path.join(options.build, "bench"))
    try:
        counts = instructions()
        blocks = [
            layers_table(counts),
            functions_table(counts),
            memory_table(options.build, scratch),
            calls_table(options, scratch),
        ]
    except Failure as failure:
        print(f"profile: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    text = "\n\n".join(blocks)
    print(text)
    if options.docs:
        report.write_blocks({"profile": text})
    return 0


if __name__ == "__main__":
    sys.exit(main())
