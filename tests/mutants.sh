#!/usr/bin/env bash
# Breaks the protocol on purpose, one small change at a time, and lets the simulator find out.
#
#   tests/mutants.sh [--seeds N] [NAME…]      all of tests/mutants/, or those named
#   tests/mutants.sh --check [NAME…]          only whether each can still be applied, and compiles;
#                                             needs what make generates, and builds nothing
#
# Each file tests/mutants/NAME.mutant is one mutant:
#
#   # what is broken, and which faults of docs/faults.md it invites (faults: 1, 2)
#   file: src/consensus/paxos/output.c
#   run: --cluster              optional: arguments for synod-sim; without it, one group of replicas
#   seeds: 4000                 optional: its budget, if it takes a rare meeting of faults to show
#                               it
#   test: tests/unit/a/test.c   optional: for what does not run in the simulator, the suite that
#                               must fail instead
#   <<<<
#   the lines to replace: they must stand in the file exactly once
#   ====
#   what stands there instead
#   >>>>
#
# The mutant is built in BUILD/mutants and run over seeds 1 … N (default 500, or its own budget)
# until one fails. A mutant that no seed, or no test, catches is a hole in the simulator, and makes
# this script fail. So does one that can no longer be applied.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=
check=no
names=()
while (($#)); do
	case $1 in
	--seeds) seeds=$2; shift ;;
	--check) check=yes ;;
	-*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 64 ;;
	*) names+=("$1") ;;
	esac
	shift
done
if ((${#names[@]} == 0)); then
	for file in tests/mutants/*.mutant; do names+=("$(basename "$file" .mutant)"); done
fi

# apply TREE MUTANT: changes the file in the tree; prints its name. Without a tree it changes
# nothing, and prints what the file would hold.
apply() {
	awk -v tree="$1" '
		/^file: / { file = substr($0, 7); next }
		/^<<<<$/ { part = "old"; next }
		/^====$/ { part = "new"; next }
		/^>>>>$/ { part = ""; next }
		part == "old" { old = old $0 "\n" }
		part == "new" { new = new $0 "\n" }
		END {
			path = (tree == "" ? "." : tree) "/" file
			while ((getline line < path) > 0) text = text line "\n"
			close(path)
			at = index(text, old)
			if (file == "" || old == "" || at == 0) exit 1
			if (index(substr(text, at + 1), old) > 0) exit 1
			text = substr(text, 1, at - 1) new substr(text, at + length(old))
			if (tree == "") { printf "%s", text; exit }
			printf "%s", text > path
			print file
		}' "$2"
}

unfit() {
	echo "$1: CANNOT BE APPLIED: the lines to replace do not stand exactly once in their file"
}

# Every second mutant from the one of that number on: check_from 0|1; says what is wrong with each.
check_from() {
	local i name file
	for ((i = $1; i < ${#names[@]}; i += 2)); do
		name=${names[i]}
		file=$(sed -n 's/^file: //p' "tests/mutants/$name.mutant")
		if ! apply "" "tests/mutants/$name.mutant" >"$scratch/$1.c"; then
			unfit "$name"
		elif ! "${CC:-gcc}" "${flags[@]}" -w -iquote "$(dirname "$file")" -fsyntax-only \
			"$scratch/$1.c" 2>"$scratch/$1.err"; then
			echo "$name: DOES NOT COMPILE:"
			head -n 5 "$scratch/$1.err"
		fi
	done
}

if [[ $check == yes ]]; then
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	flags=()
	# As the Makefile compiles, for the build to which the programs under test belong.
	make_flags=$(env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s flags \
		${SYNOD_BIN:+BUILD="${SYNOD_BIN%/bin}"})
	eval "flags=($make_flags)"
	check_from 0 >"$scratch/0.out" &
	check_from 1 >"$scratch/1.out"
	wait
	cat "$scratch"/[01].out
	failed=$(cat "$scratch"/[01].out | grep -cE '^[a-z0-9_]+: (CANNOT|DOES)' || true)
	echo "$((${#names[@]} - failed)) of ${#names[@]} mutants can be applied, and compile"
	((failed == 0))
	exit
fi

build=$(realpath -m "${BUILD:-build}/mutants")
tree=$build/tree
mkdir -p "$tree"
# The tree of the mutants follows this one; unchanged files keep their times, so that little is
# built again.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
	[[ -f $file ]] || continue
	if ! cmp -s "$file" "$tree/$file"; then
		mkdir -p "$(dirname "$tree/$file")"
		cp "$file" "$tree/$file"
	fi
done

find "$tree" -type f -printf '%P\0' | while IFS= read -r -d '' file; do
	[[ -f $file ]] || rm -f "$tree/$file"
done

# Builds a suite and runs it; 0: it has passed, 1: a test of it has failed, 2: it cannot be built.
suite() {
	local program=$build/out/${1%.c}
	make -s -C "$tree" BUILD="$build/out" CFLAGS=-Wno-error "$program" >"$build/make.log" 2>&1 \
		|| return 2
	# In the place and with the time limit that tests/run.sh gives it.
	(cd "$tree" && CK_DEFAULT_TIMEOUT=60 timeout 300 "$program") >"$build/run.log" 2>&1 ||
		return 1
}

simulator() {
	make -s -C "$tree" BUILD="$build/out" CFLAGS=-Wno-error "$build/out/bin/synod-sim" \
		>"$build/make.log" 2>&1
}

echo "building the unbroken simulator"
simulator || { cat "$build/make.log" >&2; exit 1; }
caught=0
missed=()
for name in "${names[@]}"; do
	mutant=tests/mutants/$name.mutant
	if ! file=$(apply "$tree" "$mutant"); then
		unfit "$name"
		missed+=("$name")
		continue
	fi
	read -ra arguments <<<"$(sed -n 's/^run: //p' "$mutant")"
	own=$(sed -n 's/^seeds: //p' "$mutant")
	budget=${seeds:-${own:-500}}
	verdict=survived
	test=$(sed -n 's/^test: //p' "$mutant")
	if [[ -n $test ]]; then
		status=0
		suite "$test" || status=$?
		case $status in
		1) verdict="test=$(grep -m 1 -oE '[^:/ ]+\.c:[0-9]+:[FE]:[^:]+:[^:]+' \
			"$build/run.log" || echo "$test")" ;;
		2) verdict="does not compile, see $build/make.log" ;;
		esac
	elif ! simulator; then
		verdict="does not compile, see $build/make.log"
	else
		for ((first = 1; first <= budget && ${#verdict} == 8; first += 20)); do
			status=0
			"$build/out/bin/synod-sim" --seeds "$first..$((first + 19))" \
				"${arguments[@]}" >"$build/run.log" 2>&1 || status=$?
			((status == 0)) || verdict=$(grep -m 1 -oE \
				'^seed=[0-9]+ verdict=(crash|safety|liveness|linearizability)' \
				"$build/run.log" ||
				echo "exit status $status")
		done
	fi
	case $verdict in
	seed=* | test=*) caught=$((caught + 1)) ;;
	*) missed+=("$name") ;;
	esac
	printf '%-36s %s\n' "$name" "$verdict"
	cp "$file" "$tree/$file"
done
echo "$caught of ${#names[@]} mutants were caught"
((${#missed[@]} == 0)) || { echo "not caught: ${missed[*]}" >&2; exit 1; }
