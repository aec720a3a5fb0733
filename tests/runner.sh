#!/usr/bin/env bash
# What counts the tests counts right: tests/run.sh, scripts/test.sh and .ci/run, with suites that
# crash, hang, say nothing or something odd. The last line is always "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
repository=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export LC_ALL=C
passed=0 failed=0

# A suite: suite NAME LINE...
suite() {
	printf '%s\n' '#!/bin/bash' "${@:2}" >"$scratch/$1"
	chmod +x "$scratch/$1"
}

# Judges the last command by its exit status and the last line of $scratch/out: judge STATUS
# LAST-LINE WHAT
judge() {
	local line
	line=$(tail -n 1 "$scratch/out")
	if [[ $status -eq $1 && $line == "$2" ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$3: exit status $status and '$line', not $1 and '$2':"
		sed 's/^/    /' "$scratch/out"
	fi
}

# Runs suites: run EXPECTED-STATUS EXPECTED-LINE NAME...
run() {
	status=0
	(cd "$scratch" && SUITE_TIMEOUT_S=${limit_s:-60} timeout 60 "$repository/tests/run.sh" \
		results "${@:3}") \
		>"$scratch/out" 2>&1 || status=$?
	judge "$1" "$2" "${*:3}"
	[[ ! -f $scratch/results/summary || $(<"$scratch/results/summary") == "$2" ]] || {
		failed=$((failed + 1))
		echo "${*:3}: the summary differs"
	}
}

suite good 'true'
suite bad 'exit 1'
suite counts 'echo "5 passed, 0 failed"'
suite counts_and_fails 'echo "5 passed, 0 failed"' 'exit 3'
suite fails_with_0 'echo "5 passed, 2 failed"'
suite empty 'echo "0 passed, 0 failed"'
suite skips 'echo "SKIPPED: no need"' 'echo "0 passed, 0 failed"'
suite zeros 'echo "08 passed, 0 failed"'
suite endless 'exec sleep 600'
suite checks 'echo "66%: Checks: 3, Failures: 1, Errors: 0"' 'exit 1'
suite checks_and_crashes 'echo "100%: Checks: 3, Failures: 0, Errors: 0"' 'kill -ABRT $$'
suite killed 'kill -KILL $$'
suite no_line_end 'printf "2 passed, 0 failed"'
suite zero_bytes "printf '\\0\\0\\n2 passed, 0 failed\\n'"
for i in 1 2 3 4; do suite "crashes$i" 'kill -SEGV $$'; done

run 0 '1 passed, 0 failed' good
run 1 '0 passed, 1 failed' bad
run 0 '6 passed, 0 failed' counts good
run 1 '5 passed, 1 failed' counts_and_fails
run 1 '5 passed, 2 failed' fails_with_0
run 1 '0 passed, 1 failed' empty
run 0 '1 passed, 0 failed' skips good
run 1 '0 passed, 0 failed' skips
run 0 '8 passed, 0 failed' zeros
limit_s=1 run 1 '1 passed, 1 failed' endless good
run 1 '2 passed, 1 failed' checks
run 1 '3 passed, 1 failed' checks_and_crashes
run 0 '4 passed, 0 failed' no_line_end zero_bytes
run 1 '0 passed, 1 failed' missing
# Several that end by signals at once: the shell's own "wait -n" loses some of them.
export TEST_JOBS=4
for i in 1 2 3; do
	run 1 '6 passed, 5 failed' good crashes1 crashes2 counts crashes3 crashes4 killed
done
export TEST_JOBS=1
run 1 '1 passed, 1 failed' good -- crashes1 counts
unset TEST_JOBS
run 1 '0 passed, 1 failed' bad -- good
limit_s=soon run 64 "SUITE_TIMEOUT_S takes a number of seconds, not 'soon'" good

# scripts/test.sh and .ci/run, with everything that they call replaced.
mkdir -p "$scratch/scripts" "$scratch/.ci" "$scratch/build/tests" "$scratch/build/bin"
cp scripts/test.sh "$scratch/scripts/"
cp .ci/run "$scratch/.ci/"
suite scripts/setup.sh 'true'
suite .ci/seeds 'echo "10 passed, 0 failed"'
suite build/bin/synod-sim 'true'

# The build, the tests and lint, as recipes: makefile TESTS CHECK TIDY
makefile() {
	printf 'tests:\n\t%s\ncheck:\n\t%s\ntidy:\n\t%s\n' "$@" >"$scratch/Makefile"
}

# called EXPECTED-STATUS EXPECTED-LINE SCRIPT
called() {
	status=0
	env -u BUILD -u SYNOD_BIN -u MAKEFLAGS -u MAKELEVEL "$scratch/$3" >"$scratch/out" 2>&1 \
		</dev/null || status=$?
	judge "$1" "$2" "$3 with $(tr '\n\t' '; ' <"$scratch/Makefile")"
}

well='@echo "7 passed, 0 failed" >build/tests/summary'
makefile '@true' "$well" '@echo "3 passed, 0 failed"'
called 0 '7 passed, 0 failed' scripts/test.sh
called 0 '20 passed, 0 failed' .ci/run
makefile '@false' "$well" '@echo "3 passed, 0 failed"'
called 2 '0 passed, 1 failed' scripts/test.sh
called 1 '13 passed, 1 failed' .ci/run
makefile '@true' '@false' '@echo "3 passed, 0 failed"'
called 2 '0 passed, 1 failed' scripts/test.sh
makefile '@true' '@echo "6 passed, 1 failed" >build/tests/summary; false' \
	'@echo "3 passed, 0 failed"'
called 2 '6 passed, 1 failed' scripts/test.sh
# Lint that fails: behind its last line make says that it did.
makefile '@true' "$well" '@echo "3 passed, 2 failed"; false'
called 1 '20 passed, 2 failed' .ci/run
makefile '@true' "$well" '@false'
called 1 '17 passed, 1 failed' .ci/run

# Interrupted in the middle, the last line is the same kind of line.
makefile '@touch begun; sleep 600' "$well" '@true'
for script in scripts/test.sh .ci/run; do
	rm -f "$scratch/begun"
	status=0
	# shellcheck disable=SC2016 # the inner shell expands that
	env -u BUILD -u SYNOD_BIN -u MAKEFLAGS -u MAKELEVEL \
		setsid --wait env --default-signal=INT bash -c 'echo $$ >"$1.pid" && exec "$1"' \
		script "$scratch/$script" >"$scratch/out" 2>&1 </dev/null &
	waiting=$!
	for ((i = 0; i < 1200; i++)); do
		[[ ! -e $scratch/begun ]] || break
		sleep 0.05
	done
	kill -INT -- "-$(<"$scratch/$script.pid")"
	wait "$waiting" || status=$?
	judge 130 '0 passed, 1 failed' "$script, interrupted"
done

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
