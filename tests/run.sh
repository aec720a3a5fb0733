#!/usr/bin/env bash
# Runs test suites, several at a time, and adds up their results.
#
#   tests/run.sh DIRECTORY SUITE… [-- SUITE…]
#
# A suite is a program made with the check library, of which every test counts, or a script, which
# counts as one test unless its last line is "N passed, N failed". It passes if it exits with 0. One
# that can test nothing here prints "SKIPPED: why", and "0 passed, 0 failed". Suites behind "--" are
# run only if all before them passed; after the first of them that fails, no other is started.
#
# They are started in the given order, TEST_JOBS (default: one for each processor, at most 8) at a
# time. A script with a line "# alone: why" runs after the others, with nothing beside it. Results
# are shown in the order of starting, each with how long it took; on a terminal a line below them
# says what runs.
#
# The output of each suite goes to DIRECTORY/log/NAME.log and is shown if it fails.
# DIRECTORY/summary receives the totals, which are also the last line printed, in the form "N
# passed, N failed". SUITE_TIMEOUT_S (default 900) bounds each suite. Ctrl-C and SIGTERM end those
# that run, and wait for them.
set -uo pipefail

directory=$1
shift
mkdir -p "$directory/log"
rm -f "$directory/summary"
processors=$(nproc)
jobs_max=${TEST_JOBS:-$((processors < 8 ? processors : 8))}
[[ $jobs_max =~ ^[1-9][0-9]{0,2}$ ]] || {
	echo "TEST_JOBS takes a number from 1 to 999, not '$jobs_max'" >&2
	exit 64
}
limit_s=${SUITE_TIMEOUT_S:-900}
[[ $limit_s =~ ^[1-9][0-9]{0,5}$ ]] || {
	echo "SUITE_TIMEOUT_S takes a number of seconds, not '$limit_s'" >&2
	exit 64
}

# The library's own limit of four seconds a test is too little for a busy machine.
export CK_VERBOSITY=normal CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-120}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

# A process group for each suite: in one of their own they react to Ctrl-C as they would in a
# terminal.
set -m

passed=0
failed=0
order=()             # programs, in the order in which they are started
declare -A name_of=()              # of each program: what it is called here
declare -A suite_of=()             # of each process that runs: its program
declare -A status_of=()            # of each program that has ended: its exit status
declare -A began_at=() took=()     # of each program, in microseconds

# Microseconds since 1970.
now_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# 1.2 s, or 3 min 07 s: seconds MICROSECONDS
duration() {
	local tenths=$(($1 / 100000))
	if [[ $tenths -lt 1000 ]]; then
		printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
	else
		printf '%d min %02d s' $((tenths / 600)) $((tenths / 10 % 60))
	fi
}

# The line below the results; nothing unless this is a terminal.
show_running() {
	local pid text=''
	[[ -t 1 ]] || return 0
	for pid in "${!suite_of[@]}"; do
		text+="${text:+, }${name_of[${suite_of[$pid]}]}"
	done
	printf '\r\e[K%s' "${text:+  ... ${text:0:72}}"
}

log_of() {
	echo "$directory/log/${name_of[$1]//\//-}.log"
}

# Adds the results of one suite to the totals: count_results LOG STATUS DURATION
count_results() {
	local log=$1 status=$2 suite_passed=0 suite_failed=0 counted=no checks bad line

	while read -r checks bad; do
		counted=yes
		suite_passed=$((suite_passed + checks - bad))
		suite_failed=$((suite_failed + bad))
	done < <(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p' "$log" |
		while read -r checks failures errors; do echo "$checks $((failures + errors))"; \
		done)
	line=$(tail -n 1 "$log" | tr -d '\0')
	if [[ $counted == no && $line =~ ^([0-9]{1,9})\ passed,\ ([0-9]{1,9})\ failed$ ]]; then
		suite_passed=$((10#${BASH_REMATCH[1]}))
		suite_failed=$((10#${BASH_REMATCH[2]}))
	elif [[ $counted == no && $status -eq 0 ]]; then
		suite_passed=1
	fi
	if [[ $status -eq 0 && $suite_passed -eq 0 && $suite_failed -eq 0 ]] &&
		grep -m 1 '^SKIPPED: ' "$log"; then
		return 0
	fi
	# A crash, a time-out, a sanitizer's report at the end, or a suite without tests is a
	# failure that no test counted.
	if [[ $suite_failed -eq 0 && ($status -ne 0 || $suite_passed -eq 0) ]]; then
		suite_failed=1
	fi
	passed=$((passed + suite_passed))
	failed=$((failed + suite_failed))
	if [[ $suite_failed -eq 0 ]]; then
		printf '%-18s %13s\n' "PASS ($suite_passed)" "$3"
		return 0
	fi
	printf '%-18s %13s\n' "FAIL ($suite_failed of $((suite_passed + suite_failed)))" "$3"
	return 1
}

# Shows what has become of a suite that has ended: report PROGRAM
report() {
	local name=${name_of[$1]} log status=${status_of[$1]}
	log=$(log_of "$1")
	[[ ! -t 1 ]] || printf '\r\e[K'
	printf '%-40s ' "$name"
	count_results "$log" "$status" "$(duration "${took[$1]}")" && return 0
	if [[ $status -eq 124 || ${took[$1]} -ge ${limit_s}000000 ]]; then
		echo "$name did not end within $limit_s s" | tee -a "$log"
	fi
	echo "---- $log (exit status $status)"
	tail -n 100 "$log"
	echo "----"
	return 1
}

start() {
	local program=$1
	began_at[$1]=$(now_us)
	[[ $program == /* ]] || program=./$program
	timeout --kill-after=10 "$limit_s" "$program" </dev/null >"$(log_of "$1")" 2>&1 &
	suite_of[$!]=$1
	show_running
}

# The process of a suite that has ended, if there is one.
first_ended() {
	local pid
	for pid in "${!suite_of[@]}"; do
		if [[ ! -e /proc/$pid ]]; then
			echo "$pid"
			return
		fi
	done
	sleep 0.1
}

# Waits for one of the running suites to end, and shows what can be shown in order.
await_one() {
	local pid status=0 program
	wait -n -p pid "${!suite_of[@]}" || status=$?
	if [[ -z ${pid:-} ]]; then
		# "wait -n" of bash 5.2 knows nothing of a process that a signal has ended beside
		# another; "wait PID" does.
		pid=$(first_ended)
		[[ -n $pid ]] || return 0
		status=0
		wait "$pid" || status=$?
	fi
	program=${suite_of[$pid]}
	unset "suite_of[$pid]"
	status_of[$program]=$status
	took[$program]=$(($(now_us) - began_at[$program]))
	while [[ $shown -lt ${#order[@]} && -n ${status_of[${order[shown]}]:-} ]]; do
		report "${order[shown]}"
		shown=$((shown + 1))
	done
	[[ $status -eq 0 || $strict == no ]] || stopping=yes
	show_running
}

# Starts programs, at most so many at a time, and waits for all: run_beside JOBS PROGRAM…
run_beside() {
	local jobs=$1 program
	shift
	for program in "$@"; do
		while [[ ${#suite_of[@]} -ge $jobs ]]; do
			await_one
		done
		[[ $stopping == no ]] || break
		order+=("$program")
		start "$program"
	done
	while [[ ${#suite_of[@]} -gt 0 ]]; do
		await_one
	done
}

# A script that must have the machine for itself.
is_alone() {
	[[ $1 == *.sh ]] && grep -q '^# alone: ' "$1"
}

# Runs a section of the command line: run_section PROGRAM…
run_section() {
	local program name beside=() alone=()
	for program in "$@"; do
		name=${program#"$directory"/}
		name=${name#tests/}
		name_of[$program]=${name%.sh}
		if is_alone "$program"; then alone+=("$program"); else beside+=("$program"); fi
	done
	run_beside "$jobs_max" "${beside[@]}"
	run_beside 1 "${alone[@]}"
}

interrupted() {
	local pid
	trap '' INT TERM HUP
	[[ ! -t 1 ]] || printf '\r\e[K'
	echo "interrupted; ending what runs"
	for pid in "${!suite_of[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	exit 130
}
trap interrupted INT TERM HUP

began=$(now_us)
shown=0
stopping=no
strict=no
section=()
for suite in "$@"; do
	if [[ $suite == -- ]]; then
		run_section "${section[@]}"
		section=()
		strict=yes
		[[ $failed -eq 0 ]] || break
	else
		section+=("$suite")
	fi
done
[[ $strict == yes && $failed -gt 0 ]] || run_section "${section[@]}"

echo "${#order[@]} suites in $(duration $(($(now_us) - began)))"
echo "$passed passed, $failed failed" | tee "$directory/summary"
[[ $failed -eq 0 && $passed -gt 0 ]]
