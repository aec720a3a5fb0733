"""
Shows results, and brings the generated blocks of docs/performance.md up to date. A block stands between
`<!-- bench: NAME -->` and `<!-- end -->`; one that this run has not measured stays as it is.
"""

import json
import os
import platform
import re
import subprocess

import plot
import tables
import targets

DOCS = "docs/performance.md"
PLOT = "docs/performance.svg"
DATA = "docs/performance.json"


def _first(path, pattern):
    try:
        with open(path, encoding="utf-8", errors="replace") as text:
            match = re.search(pattern, text.read(), re.MULTILINE)
    except OSError:
        return "unknown"
    return match.group(1).strip() if match else "unknown"


def _file_system(directory):
    done = subprocess.run(["df", "--output=fstype", directory], capture_output=True, text=True, check=False)
    return (done.stdout.split() or ["unknown"])[-1]


def machine(directory):
    memory_kib = _first("/proc/meminfo", r"^MemTotal:\s*(\d+)")
    return {
        "cpu": _first("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory_kib) / 1048576) if memory_kib.isdigit() else 0,
        "kernel": platform.release(),
        "system": _first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "file_system": _file_system(directory),
        "load_before": os.getloadavg()[0],
    }


def _machine_text(results):
    m, o = results["machine"], results["options"]
    versions = "; ".join(results["versions"][s] for s in sorted(results["versions"]))
    return (
        f"{m['cores']} cores ({m['cpu']}), {m['memory_gib']} GiB, {m['system']}, "
        f"Linux {m['kernel']}; data on {m['file_system']}; load average at the start {m['load_before']:.1f}. "
        f"{versions}. {o['rounds']} rounds of {o['seconds']:g} s, "
        f"up to {o['connections']} connections."
    )


def _commands_text(results):
    lines = [f"{name:11}  {' '.join(command)}" for name, command in sorted(results["commands"].items())]
    return "```\n" + "\n".join(lines) + "\n```" if lines else None


def blocks(results):
    return {
        "machine": _machine_text(results),
        "targets": targets.targets(results),
        "put": tables.rates(results, "put"),
        "get": tables.rates(results, "get"),
        "get-burst": tables.rates(results, "get-burst"),
        "sizes": tables.sizes(results),
        "failover": tables.failover(results),
        "groups": tables.groups(results),
        "echo": tables.echo(results),
        "generators": tables.generators(results),
        "commands": _commands_text(results),
    }


def replace_block(text, name, content):
    pattern = re.compile(rf"(<!-- bench: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"bench: {DOCS} has no block '<!-- bench: {name} -->'")
    return pattern.sub(lambda m: f"{m.group(1)}{content}\n{m.group(2)}", text)


def with_blocks(made):
    """The page with these blocks in it."""
    with open(DOCS, encoding="utf-8") as page:
        text = page.read()
    for name, content in made.items():
        text = replace_block(text, name, content)
    return text


def write_blocks(made):
    text = with_blocks(made)
    with open(DOCS, "w", encoding="utf-8") as page:
        page.write(text)


def known_blocks(results):
    return {name: content for name, content in blocks(results).items() if content}


def is_written(results):
    """The page and the picture are those of the results."""
    with open(DOCS, encoding="utf-8") as page, open(PLOT, encoding="utf-8") as picture:
        return page.read() == with_blocks(known_blocks(results)) and picture.read() == plot.throughput(
            results
        )


def write(results, docs):
    made = known_blocks(results)
    for name, content in made.items():
        print(f"\n== {name}\n{content}")
    if not docs:
        return
    write_blocks(made)
    with open(DATA, "w", encoding="utf-8") as data:
        json.dump(results, data, indent=1)
        data.write("\n")
    if results["rates"]:
        with open(PLOT, "w", encoding="utf-8") as picture:
            picture.write(plot.throughput(results))
    print(f"\nbench: wrote {DOCS}, {DATA} and {PLOT}")
