#!/usr/bin/env python3
"""
Looks for what clang-format and shellcheck do not see:

- a test (START_TEST, START_LOOP_TEST) has a name of three words or more, and before it a comment
  that says what holds: more than the numbers of faults or the names of scenarios;
- prose and scripts have at most 100 columns. What a break would change does not count: texts and
  patterns of a script; and programs in other languages within it may have some more. Tables of docs/
  may be wider, and so may what docs/ show of programs.

    tests/style.py              says what is wrong, a line each; scripts/lint.sh runs it
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEST = re.compile(r"^START_(?:LOOP_)?TEST\((\w+)")
MARKS = re.compile(r"^(?:(?:faults?|course): [^.—]*[.—]?\s*)+")
TEXT = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|/[^/ ]*/|\$?\w+ =~ .* \]\]")
COLUMNS, EMBEDDED_COLUMNS = 100, 120


def comment_before(lines, at):
    """The text of the comment that ends right above the line, or ""."""
    end = at
    if at == 0 or not lines[at - 1].rstrip().endswith("*/"):
        return ""
    while not lines[at - 1].lstrip().startswith("/*"):
        at -= 1
    return " ".join(line.strip().strip("/*").strip() for line in lines[at - 1 : end]).strip()


def tests(path, lines):
    for number, line in enumerate(lines):
        match = TEST.match(line)
        if not match:
            continue
        name, place = match.group(1), f"{path}:{number + 1}"
        if name.count("_") < 2 or name.startswith("test_"):
            yield f"{place}: {name} is no sentence: what does the test assert?"
        if not MARKS.sub("", comment_before(lines, number)).strip():
            yield f"{place}: {name} has no comment before it that says what holds"


def too_wide(path, lines, what):
    for number, line in enumerate(lines):
        if len(line.expandtabs(8)) > COLUMNS:
            yield f"{path}:{number + 1}: more than {COLUMNS} columns of {what}"


def script(lines):
    """Lines of a script without what a break would change."""
    for line in lines:
        if line.lstrip().startswith("#"):
            yield line
        else:
            rest = TEXT.sub('""', line).expandtabs(8)
            yield rest if len(rest) > EMBEDDED_COLUMNS else ""


def prose(lines):
    """Lines of Markdown outside of tables, and of blocks that show code."""
    fenced = False
    for line in lines:
        fenced ^= line.startswith("```")
        shown = fenced or line.startswith(("|", "    ", "\t"))
        yield "" if shown or re.fullmatch(r"\s*\S+", line) else line


def main():
    wrong = []
    for path in sorted(ROOT.glob("tests/**/test_*.c")):
        wrong += tests(path.relative_to(ROOT), path.read_text().splitlines())
    scripts = [p for folder in ("scripts", "tests", ".ci") for p in ROOT.glob(folder + "/**/*")]
    for path in sorted(p for p in scripts if p.is_file() and (p.suffix == ".sh" or p.parent.name == ".ci")):
        text = path.read_text(errors="surrogateescape").splitlines()
        wrong += too_wide(path.relative_to(ROOT), script(text), "a script")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        if path.name != "performance.md":  # written by scripts/bench.sh
            text = path.read_text().splitlines()
            wrong += too_wide(path.relative_to(ROOT), prose(text), "prose")
    print("\n".join(wrong) if wrong else "every test says what holds, and no line is too wide")
    return 1 if wrong else 0


sys.exit(main())
