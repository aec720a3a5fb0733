#!/usr/bin/env python3
"""Explores the model of members.py.

    tests/model/test_members.py                 what every test run does; the last line is "N passed, N failed"
    tests/model/test_members.py FIRST..LAST     walks of those seeds, all rules in force
    tests/model/test_members.py SEED [RULE…]    one walk, told, without those rules
    tests/model/test_members.py --find [WALKS]  for each rule the first seed that shows what happens without it (WITHOUT, below)
    tests/model/test_members.py --detours FIRST..LAST    of a fixed story, pairs of detours that begin with those
"""

import random
import sys
import time

from detours import detours, one_detour, two_detours
from members import RULES, Violation
from stories import STORIES
from world import World

WALKS = 1600

# Without this rule, the walk of this seed breaks something. `--find` finds new ones when the model has changed.
WITHOUT = {
    "lives": 409,               # C0: two values in a slot
    "learners": 8,              # C1: an entry is on one disk of two
    "brick wall": 1,            # C2: a slot is chosen by members that the slot before has replaced
    "new ballot": 56,           # C1: an entry is on one disk of two
    "base": 2700,               # C3: a life is bound again that was unbound
    "prefix": 553,              # C1: an entry is on one disk of two
    "promise says slot": 56,    # L: the group hangs
    "removed stay": 3,          # C1: an entry is on one disk of two
    "caught up": 320,           # L: the group hangs
    "never returns": 7,         # C3: a life is bound again that was unbound
    "birth by all": 242,        # C0: two first configurations
    "birth remembers": 1490,    # C0: two first configurations
    "acknowledged": 8829,       # C0: two values in a slot
    "all starts": 14,           # H: the newest state of a directory is taken for an older copy
}


# Of some rules the first thing that goes wrong is not the worst.
WORST = {"lives": "C0", "new ballot": "C0 C1 C2", "acknowledged": "C0 C1", "birth remembers": "C0", "birth by all": "C0"}


def walk(seed, without=(), told=False):
    """What the walk of a seed breaks, or None."""
    dice = random.Random(seed)
    world = World(seed, without, members=dice.choice((1, 2, 3, 3, 3, 5)), spares=dice.choice((0, 1, 2, 3)),
                  mild=dice.random() < 0.7, born=dice.random() < 0.7)
    world.tracing = told
    try:
        world.walk(dice.choice((100, 200, 400)))
    except Violation as violation:
        return world, str(violation)
    return world, None


def find(walks):
    for rule in RULES:
        if rule in STORIES:
            continue
        kinds = WORST.get(rule, "C0 C1 C2 C3 C4 B R H L").split()
        began = time.monotonic()
        for seed in range(walks):
            broken = walk(seed, (rule,))[1]
            if broken and broken.split(":")[0] in kinds:
                print('    "%s": %d,    # %s' % (rule, seed, broken), flush=True)
                break
        else:
            print("    # %s: no seed below %d (%.0f s)" % (rule, walks, time.monotonic() - began), flush=True)


def run():
    passed = failed = 0
    for name, broken in checks():
        if broken:
            failed += 1
            print("FAIL %s: %s" % (name, broken))
        else:
            passed += 1
    print("%d passed, %d failed" % (passed, failed))
    return failed == 0


def checks():
    """Yields (what is checked, what is wrong with it or None)."""
    chosen = changes = 0
    for seed in range(WALKS):
        world, broken = walk(seed)
        chosen += len(world.choice)
        changes += sum(value[0] == "members" for value, _ in world.choice.values())
        if broken:
            yield "walk of seed %d" % seed, broken
    yield "%d walks: %d slots chosen, of them %d configurations" % (WALKS, chosen, changes), \
        None if chosen > 5 * WALKS and changes > 1.5 * WALKS else "too little has happened"

    for rule in RULES:
        if rule in STORIES:
            yield "the story of '%s' with all rules" % rule, told(rule, ())
            broken = told(rule, (rule,))
        else:
            yield "the walk of '%s' with all rules" % rule, walk(WITHOUT[rule])[1]
            broken = walk(WITHOUT[rule], (rule,))[1]
        yield "without '%s'" % rule, None if broken else "nothing goes wrong; see --find"

    wrong = [(detour, broken) for detour, broken in one_detour() if broken]
    yield "every one detour of a fixed story", wrong[0] if wrong else None


def told(rule, without):
    try:
        STORIES[rule](without)
    except Violation as violation:
        return str(violation)
    return None


def numbers(text):
    first, last = text.split("..")
    return range(int(first), int(last) + 1)


def main(arguments):
    if not arguments:
        return run()
    if arguments[0] == "--find":
        find(int(arguments[1]) if len(arguments) > 1 else 20000)
        return True
    if arguments[0] == "--detours":
        wrong = [item for item in two_detours(numbers(arguments[1])) if item[1]]
        print(wrong[:5], "%d wrong" % len(wrong))
        return not wrong
    if ".." in arguments[0]:
        wrong = [(seed, broken) for seed in numbers(arguments[0]) for broken in [walk(seed)[1]] if broken]
        print(wrong[:5], "%d wrong" % len(wrong))
        return not wrong
    unknown = set(arguments[1:]) - set(RULES)
    if unknown:
        sys.exit("no such rule: %s; there are: %s" % (", ".join(unknown), ", ".join(RULES)))
    world, broken = walk(int(arguments[0]), arguments[1:], told=True)
    print("\n".join(world.trace))
    print(broken or "nothing is broken")
    return broken is None


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
