#!/usr/bin/env bash
# quickstart.sh interrupted in each of its phases: what it has started is stopped, or it is said
# what runs.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_interrupt.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_interrupt.sh"

tool() {
	try "$repository/scripts/cluster.sh" "$@" --dir "$run"
}

# Programs that stand still when they are called: functions, which bash hands on to bash, since from
# some machines' /tmp no program can be run. stand_still NAME [LINE]
export still_line='' still_reached=$scratch/still
stand_still() {
	unset -f dpkg-query make
	rm -f "$still_reached"
	still_line=${2:-}
	eval "$1() { echo \"\$still_line\"; touch \"\$still_reached\"; exec sleep 600; }"
	export -f "${1?}"
}

quickstart=("$repository/scripts/quickstart.sh" --dir "$run" --base-port "$base_port")

said() {
	grep -q -- "$1" "$scratch/output"
}

# Nothing that was started here still sleeps.
no_stand_in() {
	! grep -lFz "BASH_FUNC_$1%%" /proc/[0-9]*/environ 2>/dev/null |
		xargs -r grep -lFz "$still_reached" 2>/dev/null | grep -q .
}

for signal in INT TERM; do
	begin "SIG$signal while quickstart looks for packages, or builds: nothing was started"
	stand_still dpkg-query
	in_terminal "${quickstart[@]}"
	await "the packages" test -e "$still_reached"
	if [[ $signal == INT ]]; then kill -INT -- "-$helper"; else kill "-$signal" "$helper"; fi
	ended
	expect 130
	expect_error 'nothing was started'
	await "the end of its children" no_stand_in dpkg-query
	stand_still make "[ 2/4] CC src/x.c"
	in_terminal env -u SYNOD_BIN "${quickstart[@]}"
	await "the build" said '\[2/4\] 50 %'
	if [[ $signal == INT ]]; then kill -INT -- "-$helper"; else kill "-$signal" "$helper"; fi
	ended
	expect 130
	expect_error 'nothing was started'
	await "the end of its children" no_stand_in make
	[[ ! -e $run ]] || fail "it left: $(find "$run")"
done

unset -f dpkg-query make

begin "while the cluster starts: it is stopped"
in_terminal env SYNOD_ELECTION_TIMEOUT_MS=60000 "${quickstart[@]}"
await "the nodes" all_started 9
kill -TERM "$helper"
ended
expect 130
nothing_runs || fail "left running: $(nodes_running)"
[[ ! -e $config ]] || fail "it left its configuration"

begin "while it loads, a leader being dead: the cluster that it started is stopped, and its data named"
in_terminal "${quickstart[@]}"
await "a leader's death" said 'half way: killed'
kill -INT -- "-$helper"
ended
expect 130
expect_error "its data is in $run"
nothing_runs || fail "left running: $(nodes_running)"

begin "and one that ran before goes on, whole"
tool up
expect 0
in_terminal "${quickstart[@]}"
await "a leader's death" said 'half way: killed'
kill -TERM "$helper"
ended
expect 130
expect_error 'ran before, and goes on'
await "all nodes" all_healthy

begin "lines fit a terminal of 80 columns"
# A line that a path makes longer is not meant: there is nothing to divide it at. What stands before
# a carriage return is overwritten.
script -qec "stty cols 80 rows 24; $(printf '%q ' "${quickstart[@]}"); $(printf '%q ' \
	"$repository/scripts/cluster.sh" status --dir "$run")
	$(printf '%q ' "$repository/scripts/cluster.sh" up --groups 3 --dir "$run")
	for name in cluster quickstart setup bench; do $(printf %q \
		"$repository/scripts")/\$name.sh --help; done" \
	/dev/null >"$scratch/output" 2>&1 </dev/null || true
for words in 'export KVCTL_CONFIG=' 'NAME .* HEALTH' '2 groups, not 3' 'rounds'; do
	tr -s '\r\n' ' ' <"$scratch/output" | grep -q -- "$words" ||
		fail "there is no '$words': $(<"$scratch/output")"
done
sed 's/\r$//; s/.*\r//; s/\x1b\[K//g' "$scratch/output" |
	awk -v path="$run" 'length($0) > 80 && !index($0, path)' >"$scratch/long"
[[ ! -s $scratch/long ]] || fail "longer than 80 columns: $(<"$scratch/long")"
tool clean
expect 0

finish
