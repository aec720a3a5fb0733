"""Measures Synod beside its peers on this machine; scripts/bench.sh --help says how to call it."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile

import report
from measure import Measurement, say
from processes import Failure

SECTIONS = ["rates", "sizes", "failover", "groups", "echo"]


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def words(text):
    return [word for word in text.split(",") if word]


def parse():
    p = argparse.ArgumentParser(prog="scripts/bench.sh", add_help=False)
    p.add_argument("--peers", type=words, default=["etcd", "redis"])
    p.add_argument("--clients", type=numbers)
    p.add_argument("--connections", type=int, default=16)
    p.add_argument("--seconds", type=float)
    p.add_argument("--rounds", type=int)
    p.add_argument("--keys", type=int)
    p.add_argument("--failovers", type=int)
    p.add_argument("--groups", type=numbers)
    p.add_argument("--only", type=words, default=SECTIONS)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--docs", action="store_true")
    p.add_argument("--render")
    p.add_argument("--check", action="store_true")
    p.add_argument("--dir")
    p.add_argument("--base-port", type=int, default=15000)
    p.add_argument("--bin", required=True)
    p.add_argument("--etcd-benchmark", required=True)
    p.add_argument("--echo", required=True)
    p.add_argument("--out", required=True)
    options = p.parse_args()
    full = {
        "clients": [1, 16, 64, 256, 1000],
        "seconds": 2,
        "rounds": 3,
        "keys": 1000000,
        "failovers": 11,
        "groups": [1, 2, 4, 8],
    }
    quick = {
        "clients": [1, 64, 256],
        "seconds": 1,
        "rounds": 1,
        "keys": 100000,
        "failovers": 3,
        "groups": [1, 4],
    }
    for name, value in (quick if options.quick else full).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def interrupted(number, frame):
    raise KeyboardInterrupt


def main():
    options = parse()
    if options.render:
        with open(options.render, encoding="utf-8") as stored:
            results = json.load(stored)
        if options.check:
            return 0 if report.is_written(results) else 1
        report.write(results, options.docs)
        return 0
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, interrupted)
    os.makedirs(options.out, exist_ok=True)
    options.dir = tempfile.mkdtemp(prefix="scratch-", dir=options.dir or options.out)
    measurement = Measurement(options)
    status = 1
    try:
        measurement.results["machine"] = report.machine(options.dir)
        measurement.results["options"] = {
            k: v
            for k, v in vars(options).items()
            if k not in ("dir", "bin", "out", "echo", "etcd_benchmark", "render")
        }
        for section in options.only:
            getattr(measurement, section)()
        status = 0
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        say("interrupted")
        status = 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        measurement.stop_all()
        if status == 1:
            say(f"data and logs are in {options.dir}")
        else:
            shutil.rmtree(options.dir, ignore_errors=True)
    path = os.path.join(options.out, "results.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(measurement.results, out, indent=1)
    say(f"results are in {path}")
    if status == 0:
        report.write(measurement.results, options.docs)
    return status


if __name__ == "__main__":
    sys.exit(main())
