#!/usr/bin/env python3
"""
Measures the house: sizes of files and functions, assertions, comments, circles of calls between files.

    tests/house.py              the row of the table in CONTRIBUTING.md
    tests/house.py --circles    also which files are in which circle, and by which calls
    tests/house.py --long       also the longest functions and files
    tests/house.py --names      also the functions that other files can call and whose name begins
                                with no module's

Counted are the .c and .h files of src/. A function is what begins with its name at the left margin and ends with a
closing brace there, as clang-format sets it; its length is that of its body. A file's circle is a set of .c files each of
which calls, directly or through others of them, every other one. Numbers are for orientation: an assertion
states an invariant, a comment says why; neither is written to be counted.
"""
import collections
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')
ATTRIBUTE = re.compile(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\) ?")
HEAD = re.compile(r"^(?!typedef|struct \w+ \{|enum|union|#|\}|\s)[^;={}]*?\b(\w+)\([^;{}]*\)\s*\n\{\n(.*?)^\}", re.M | re.S)


def comment_lines(text):
    """Lines that are, or belong to, a comment and hold nothing else."""
    found = 0
    for match in COMMENT.finditer(text):
        begin = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.end())
        before, after = text[begin : match.start()], text[match.end() : end if end >= 0 else None]
        lines = match.group().count("\n") + 1
        found += lines if not before.strip() and not after.strip() else max(0, lines - 1)
    return found


def circles(edges):
    """Strongly connected components with more than one member (Tarjan 1972), the largest first."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(start):
        work = [(start, iter(edges[start]))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(edges[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    members = []
                    while not members or members[-1] != node:
                        members.append(stack.pop())
                        on_stack.discard(members[-1])
                    if len(members) > 1:
                        found.append(sorted(members))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return sorted(found, key=lambda members: (-len(members), members))


def without_prefix(defined):
    """Global functions that begin neither with their room's name nor with that of a file of it."""
    names = collections.defaultdict(set)
    for path in ROOT.glob("src/*/*/*.[ch]"):
        room = path.parent.name
        names[room] |= {room, room.removeprefix("lib"), path.stem, path.stem.rstrip("s")}
    return sorted(
        (file, function)
        for function, file in defined.items()
        if not any(function.startswith(name + "_") for name in names[pathlib.Path(file).parent.name])
    )


def main():
    files = sorted(ROOT.glob("src/**/*.[ch]"))
    texts = {f.relative_to(ROOT).as_posix(): f.read_text() for f in files}
    lines = {name: text.count("\n") for name, text in texts.items()}
    functions, asserts, defined, called = [], 0, {}, {}
    own = collections.defaultdict(set)  # static functions, by file
    for name, text in texts.items():
        code = ATTRIBUTE.sub("", STRING.sub('""', COMMENT.sub("", text)))
        asserts += len(re.findall(r"\bASSERT\(", code))
        for match in HEAD.finditer(code):
            if match.group(1).isupper():
                continue
            functions.append((match.group(2).count("\n"), name, match.group(1)))
            head = code[match.start() : match.start(2)]
            if name.endswith(".c") and head.startswith("static"):
                own[name].add(match.group(1))
            elif name.endswith(".c"):
                defined[match.group(1)] = name
        if name.endswith(".c"):
            called[name] = set(re.findall(r"(?<![\w.>])(\w+)\(", code))
    edges = {name: {defined[word] for word in words - own[name] if defined.get(word, name) != name} for name, words in called.items()}
    found = circles(edges)
    lengths = sorted(length for length, _, _ in functions)
    count = len(lengths)
    ratio = {end: 100 * sum(comment_lines(t) for n, t in texts.items() if n.endswith(end)) / sum(v for n, v in lines.items() if n.endswith(end)) for end in (".h", ".c")}
    all_comments = 100 * sum(comment_lines(t) for t in texts.values()) / sum(lines.values())
    in_circles = sum(len(members) for members in found)
    print(f"files                       {len(texts)}, {sum(lines.values())} lines")
    print(f"median / largest file       {statistics.median(lines.values()):.0f} / {max(lines.values())}")
    print(f"functions                   {count}")
    print(f"function median / p90       {lengths[count // 2]} / {lengths[count * 9 // 10]}")
    print(f"functions > 70 lines        {100 * sum(length > 70 for length in lengths) / count:.1f} %")
    print(f"asserts a function          {asserts / count:.2f}")
    print(f"comment lines (.h / .c)     {all_comments:.0f} % ({ratio['.h']:.0f} / {ratio['.c']:.0f})")
    print(f"files in circles (largest)  {100 * in_circles / len(edges):.0f} % ({len(found[0]) if found else 0}): {in_circles} of {len(edges)} in {len(found)} circles")
    bare = without_prefix(defined)
    print(f"globals without prefix      {len(bare)} of {len(defined)}")
    if "--circles" in sys.argv:
        for members in found:
            print(f"\ncircle of {len(members)}")
            for member in members:
                calls = collections.defaultdict(list)
                for word in sorted(called[member]):
                    if defined.get(word) in members and defined[word] != member:
                        calls[defined[word]].append(word)
                print(f"  {member}")
                for other, words in sorted(calls.items()):
                    print(f"    → {pathlib.Path(other).name}: {', '.join(words[:6])}{' …' if len(words) > 6 else ''}")
    if "--names" in sys.argv:
        for file, function in bare:
            print(f"{file}: {function}()")
    if "--long" in sys.argv:
        for length, name, function in sorted(functions, reverse=True)[:10]:
            print(f"{length:5} {name}: {function}()")
        for name, count in sorted(lines.items(), key=lambda item: -item[1])[:10]:
            print(f"{count:5} {name}")


main()
