#!/usr/bin/env bash
# Counts the instructions that a put and a get cost, client, leader and followers together, and
# fails if they have become more than the budget in tests/bench/instructions.budget. Counted under
# callgrind, in the simulated world (tests/bench/calm_load.c): the same program gives the same
# count, however busy the machine is. What the simulator itself costs is left out.
#
#   tests/bench/instructions.sh             compares with the budget
#   tests/bench/instructions.sh --show [N]  prints the N (25) functions where the instructions go
#   tests/bench/instructions.sh --values BYTES…
#                                           prints what they cost with values of other sizes than
#                                           256 bytes
#   tests/bench/instructions.sh --rewrite   sets the budget to what is measured now and 3 % more
#
# A budget holds for one compiler and its flags: with another, or a sanitizer, there is nothing to
# compare.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LC_ALL=C

program=${BUILD:-build}/tests/bench/calm_load
[[ -n ${BUILD:-} || -z ${SYNOD_BIN:-} ]] || program=${SYNOD_BIN%/bin}/tests/bench/calm_load
budget=tests/bench/instructions.budget
short=1000 long=3000 # operations
remembered=100 # functions of each workload in the budget file
mode=${1:-compare}
value_bytes=

die() {
	echo "instructions: $*" >&2
	exit 1
}

skip() {
	echo "SKIPPED: $*"
	echo "0 passed, 0 failed"
	exit 0
}

# "Ir function" of one run: count_run WORKLOAD OPERATIONS
# What the C library and src/ground/base do counts for whoever called them, at most four calls away,
# and is left out if that is the simulator.
count_run() {
	local out=$scratch/$1.$2
	if ! valgrind --tool=callgrind --separate-callers=4 --callgrind-out-file="$out" \
		"$program" "$1" "$2" ${value_bytes:+"$value_bytes"} >"$out.log" 2>&1; then
		cat "$out.log" >&2
		die "$program $1 $2 fails under callgrind"
	fi
	callgrind_annotate --show-percs=no --threshold=100 --auto=no "$out" | tr -d ',' |
		awk '$1 ~ /^[0-9]+$/ && $2 ~ /:/ { print $1, $2 }' >"$out.lines"
	# Twice: first to learn whose function is whose. A line is "Ir
	# file:function'caller'caller…".
	awk '
		{
			file = $2
			sub(/:[^:]*$/, "", file)
			calls = split(substr($2, length(file) + 2), chain, "\x27")
			world = file ~ /(^|\/)src\/worlds\/sim\// || file ~ /(^|\/)tests\/bench\//
			helper = !world && (file !~ /(^|\/)src\// || file ~ /(^|\/)src\/ground\/base\//)
		}
		NR == FNR {
			kind[chain[1]] = kind[chain[1]] (world ? "w" : helper ? "" : "p")
			next
		}
		{
			for (i = 2; helper && i <= calls && kind[chain[i]] == ""; i++)
				;
			if (world || (helper && i <= calls && kind[chain[i]] !~ /p/))
				next
			if (!sub(/^(.*\/)?src\//, "", file))
				sub(/^.*\//, "", file)
			print $1, file ":" chain[1]
		}
	' "$out.lines" "$out.lines"
}

# "instructions-an-operation function" of a workload, the dearest first: count_operation WORKLOAD
count_operation() {
	# What the start costs is in both runs.
	{
		count_run "$1" "$short" | sed 's/^/-/'
		count_run "$1" "$long"
	} | awk -v operations=$((long - short)) '
		{ sum[$2] += $1 }
		END { for (name in sum) printf "%.1f %s\n", sum[name] / operations, name }' |
		sort -k1,1gr -k2 >"$scratch/$1"
}

total() {
	awk '{ sum += $1 } END { printf "%.0f\n", sum }' "$scratch/$1"
}

compiler() {
	readelf -p .comment "$program" | sed -nE 's/^ *\[ *[0-9a-f]+\] *//p' | sort -u | head -n 1
}

rewrite() {
	local workload
	{
		echo "# Instructions an operation may cost, and what its dearest functions cost when that was written."
		echo "# tests/bench/instructions.sh compares; tests/bench/instructions.sh --rewrite writes this file anew."
		echo "compiler $(compiler)"
		for workload in put get; do
			echo "budget $workload $(($(total "$workload") * 103 / 100))"
		done
		for workload in put get; do
			head -n "$remembered" "$scratch/$workload" | sed "s/^/function $workload /"
		done
	} >"$budget"
	echo "wrote $budget: $(grep '^budget' "$budget" | tr '\n' ' ')"
}

# The functions whose cost has grown most since the budget was written: show_growth WORKLOAD
show_growth() {
	echo "what has grown most since then (instructions an operation: then, now, more; function):"
	# Of functions that were cheaper than all that the file names, nothing is known but that.
	awk -v workload="$1" '
		NR == FNR { if ($1 == "function" && $2 == workload) least = then_[$4] = $3; next }
		$2 in then_ { printf "%10.1f %10.1f %+10.1f  %s\n", then_[$2], $1, $1 - then_[$2], $2; next }
		$1 > least { printf "%10s %10.1f %+10.1f  %s\n", "<" least, $1, $1 - least, $2 }
	' "$budget" "$scratch/$1" | sort -k3,3gr | sed -n 1,10p
}

compare() {
	local workload count limit failed=0
	for workload in put get; do
		count=$(total "$workload")
		limit=$(awk -v workload="$workload" \
			'$1 == "budget" && $2 == workload { print $3 }' "$budget")
		[[ $limit =~ ^[0-9]+$ ]] || die "$budget has no budget for $workload"
		if [[ $count -le $limit ]]; then
			echo "$workload: $count instructions, budget $limit"
			continue
		fi
		echo "$workload: $count instructions, $((count - limit)) more than the budget of $limit"
		show_growth "$workload"
		echo "If it is worth that, say so in the commit, and raise the budget:" \
			"tests/bench/instructions.sh --rewrite"
		failed=$((failed + 1))
	done
	echo "$((2 - failed)) passed, $failed failed"
	[[ $failed -eq 0 ]]
}

command -v valgrind >/dev/null ||
	skip "valgrind is not installed (scripts/setup.sh --tests installs it)"
[[ -x $program ]] || die "there is no $program: run 'make tests' first"
! nm "$program" | grep -E '__asan_init|__ubsan_|__tsan_init' >/dev/null ||
	skip "instructions are not counted under a sanitizer"
if [[ $mode == compare && $(sed -n 's/^compiler //p' "$budget") != "$(compiler)" ]]; then
	skip "the budget is for $(sed -n 's/^compiler //p' \
		"$budget"), this was built with $(compiler)"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [[ $mode == --values ]]; then
	short=100 long=300
	for value_bytes in "${@:2}"; do
		count_operation put
		count_operation get
		echo "$value_bytes bytes: put $(total put), get $(total get) instructions"
	done
	exit
fi
count_operation put
count_operation get
case $mode in
compare) compare ;;
--rewrite) rewrite ;;
--show)
	for workload in put get; do
		echo "$workload: $(total "$workload") instructions"
		head -n "${2:-25}" "$scratch/$workload"
	done
	;;
*)
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0" >&2
	exit 64
	;;
esac
