#!/usr/bin/env bash
# Runs test suites one after another and adds up their results.
#
#   tests/run.sh DIRECTORY SUITE… [-- SUITE…]
#
# A suite is a program made with the check library, of which every test counts,
# or a script, which counts as one test unless its last line is "N passed, N failed".
# It passes if it exits with 0. One that can test nothing here prints "SKIPPED: why", and "0 passed, 0 failed". Suites behind "--" are run only if all before them
# passed, and end with the first that fails.
#
# The output of each suite goes to DIRECTORY/log/NAME.log and is shown if it fails.
# DIRECTORY/summary receives the totals, which are also the last line printed.
# SUITE_TIMEOUT_S (default 900) bounds each suite.
set -uo pipefail

directory=$1
shift
mkdir -p "$directory/log"
rm -f "$directory/summary"

# The library's own limit of four seconds a test is too little for a busy machine.
export CK_VERBOSITY=normal CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-120}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

passed=0
failed=0

# Adds the results of one suite to the totals: count_results LOG STATUS
count_results() {
	local log=$1 status=$2 suite_passed=0 suite_failed=0 counted=no checks bad line

	while read -r checks bad; do
		counted=yes
		suite_passed=$((suite_passed + checks - bad))
		suite_failed=$((suite_failed + bad))
	done < <(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p' "$log" |
		while read -r checks failures errors; do echo "$checks $((failures + errors))"; done)
	line=$(tail -n 1 "$log")
	if [[ $counted == no && $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		suite_passed=${BASH_REMATCH[1]}
		suite_failed=${BASH_REMATCH[2]}
	elif [[ $counted == no && $status -eq 0 ]]; then
		suite_passed=1
	fi
	if [[ $status -eq 0 && $suite_passed -eq 0 && $suite_failed -eq 0 ]] && grep -m 1 '^SKIPPED: ' "$log"; then
		return 0
	fi
	# A crash, a time-out, a sanitizer's report at the end, or a suite without tests is a failure that no test counted.
	if [[ $suite_failed -eq 0 && ($status -ne 0 || $suite_passed -eq 0) ]]; then
		suite_failed=1
	fi
	passed=$((passed + suite_passed))
	failed=$((failed + suite_failed))
	if [[ $suite_failed -eq 0 ]]; then
		echo "PASS ($suite_passed)"
		return 0
	fi
	echo "FAIL ($suite_failed of $((suite_passed + suite_failed)))"
	return 1
}

# Runs one suite: run_suite PROGRAM
run_suite() {
	local program=$1 name log status
	name=${program#"$directory"/}
	name=${name#tests/}
	name=${name%.sh}
	log=$directory/log/${name//\//-}.log
	[[ $program == /* ]] || program=./$program

	printf '%-40s ' "$name"
	timeout --kill-after=10 "${SUITE_TIMEOUT_S:-900}" "$program" >"$log" 2>&1
	status=$?
	count_results "$log" "$status" && return 0
	[[ $status -ne 124 ]] || echo "$name did not end within ${SUITE_TIMEOUT_S:-900} s" | tee -a "$log"
	echo "---- $log (exit status $status)"
	tail -n 100 "$log"
	echo "----"
	return 1
}

strict=no
for suite in "$@"; do
	if [[ $suite == -- ]]; then
		[[ $failed -eq 0 ]] || break
		strict=yes
	else
		run_suite "$suite" || [[ $strict == no ]] || break
	fi
done

echo "$passed passed, $failed failed" | tee "$directory/summary"
[[ $failed -eq 0 && $passed -gt 0 ]]
