# What tests of interrupted programs share, beside lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are of lib.sh, and for the tests

# Starts a program in a process group of its own, as a terminal would, its output in
# $scratch/output; helper is its pid.
in_terminal() {
	: >"$scratch/output"
	set -m
	env --default-signal=INT "$@" >"$scratch/output" 2>&1 </dev/null &
	set +m
	helper=$!
	helpers+=("$helper")
}

# Waits for what in_terminal has started; its exit status and output are then in status and out.
ended() {
	status=0
	wait "$helper" || status=$?
	out=$(<"$scratch/output") err=$out last_command=interrupted
}

# The nodes that run with this test's configurations.
nodes_running() {
	{ grep -lFz -- "$scratch/" /proc/[0-9]*/cmdline 2>/dev/null || true; } |
		while read -r file; do
		! { tr "\0" " " <"$file"; } 2>/dev/null | grep -F -- ' --node ' || true
	done
}

nothing_runs() {
	[[ -z $(nodes_running) ]]
}

all_started() {
	[[ $(cat "$run"/*/log 2>/dev/null | grep -c event=started) -ge $1 ]]
}
