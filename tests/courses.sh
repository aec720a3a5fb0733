#!/usr/bin/env bash
# Compares docs/courses.md with the tests: every row names tests that exist and whose comments name
# the row's scenario, and every scenario that a test names has a row with that test.
#
# A test names its scenarios in the comment before it (in a script: behind its "begin" line):
#
#   /* course: 2015 paxos TestBasic; DSLabs PrimaryBackupTest 10, 12 — What happens. */
#
#   tests/courses.sh          compares
#   tests/courses.sh --self   … and first makes sure that it notices what is wrong on purpose
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

# Prints "SCENARIO<tab>PATH:TEST" for each scenario that a test names.
named_by_tests() {
	local file
	grep -rlE 'course: ' unit system --include='test_*.c' --include='*.sh' | sort |
		while read -r file; do
		awk -v file="$file" '
			function scenarios(text, test,    groups, n, i, ids, m, k, suite) {
				sub(/ —.*/, "", text)
				n = split(text, groups, /; */)
				for (i = 1; i <= n; i++) {
					m = split(groups[i], ids, /, */)
					for (k = 1; k <= m; k++) {
						sub(/ *\(.*/, "", ids[k])
						if (k == 1) {
							suite = ids[k]
							sub(/ [^ ]*$/, "", suite)
							sub(/.* /, "", ids[k])
						}
						print suite " " ids[k] "\t" file ":" test
					}
				}
			}
			file ~ /\.sh$/ && /^begin "/ { test = $0; sub(/^begin "/, "", test); sub(/".*/, "", test) }
			file ~ /\.sh$/ && /^# course: / { sub(/^# course: /, ""); scenarios($0, test) }
			file ~ /\.sh$/ { next }
			/^\/\*/ { comment = "" }
			/^(\/\*| \*)/ { line = $0; gsub(/^(\/\*| \*)+\/? ?| *\*\/$/, "", line); comment = comment " " line }
			/^START_(LOOP_)?TEST\(/ {
				test = $0
				gsub(/^[A-Z_]*\(|[,)].*$/, "", test)
				if (sub(/^ *course: /, "", comment))
					scenarios(comment, test)
				comment = ""
			}' "$file"
	done
}

# Prints the same for each row of the table.
named_by_table() {
	awk -F '|' '
		/^## / { suite = substr($0, 4) }
		/^\| [^|]*\|[^|]*\| *`/ {
			id = $2
			gsub(/^ +| +$/, "", id)
			n = split($4, cells, "`")
			for (i = 2; i <= n; i += 2)
				print suite " " id "\t" cells[i]
		}' "$1"
}

# compare TABLE: says what is wrong; fails if anything is.
compare() {
	local wrong=0 line
	while IFS= read -r line; do
		wrong=1
		echo "docs/courses.md: ${line/$'\t'/: } has no such test, or its comment does not name the scenario"
	done < <(comm -23 <(named_by_table "$1" | sort -u) "$tests")
	while IFS= read -r line; do
		wrong=1
		echo "${line#*$'\t'} names the scenario '${line%%$'\t'*}', for which docs/courses.md does not list it"
	done < <(comm -13 <(named_by_table "$1" | sort -u) "$tests")
	return "$wrong"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tests=$scratch/tests
(cd tests && named_by_tests) | sort -u >"$tests"

if [[ ${1-} == --self ]]; then
	sed "s/:first_primary\`/:no_such_test\`/" docs/courses.md >"$scratch/renamed"
	sed '/^| TestDeaf /d' docs/courses.md >"$scratch/missing"
	for table in renamed missing; do
		! compare "$scratch/$table" >/dev/null ||
			{ echo "a table with something $table passes"; exit 1; }
	done
fi
compare docs/courses.md || exit
rows=$(named_by_table docs/courses.md | cut -f 1 | sort -u | wc -l)
echo "$rows scenarios, met by $(cut -f 2 "$tests" | sort -u | wc -l) tests"
