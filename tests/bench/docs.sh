#!/usr/bin/env bash
# The tables and the picture in docs/ are those that scripts/bench.sh makes of
# docs/performance.json: nobody has improved a figure by hand. And what the README says of them is
# what they say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=0
fail() {
	echo "FAILED: $*"
	failed=$((failed + 1))
}

# The rows of a table of docs/performance.md, without its head: rows_of NAME
rows_of() {
	awk -v mark="<!-- bench: $1 -->" '
		$0 == mark { inside = 1; next }
		/^<!-- end -->/ { inside = 0 }
		inside && /^\|/ && ++row > 2' docs/performance.md
}

# What a table says beside etcd: the least and the greatest factor, as whole numbers, "LEAST to
# GREATEST": factors_of NAME
factors_of() {
	rows_of "$1" | awk -F '|' '
		{ factor = $(NF - 2); gsub(/[ ×*]/, "", factor); factor += 0 }
		NR == 1 || factor < least { least = factor }
		factor > greatest { greatest = factor }
		END { printf "%.0f to %.0f\n", least, greatest }'
}

# The README's sentence on them, in one line.
sentence() {
	tr '\n' ' ' <README.md | grep -oE 'Beside etcd .* the next put succeeded\.'
}

# said WHAT: the sentence has these words.
said() {
	[[ $(sentence) == *"$1"* ]] ||
		fail "README.md does not say '$1', as docs/performance.md does: $(sentence)"
}

said "$(factors_of put) times as many puts"
said "$(factors_of get) times as many linearizable gets"
clients=$(rows_of put |
	awk -F '|' 'NR == 1 { first = $2 + 0 } { last = $2 + 0 } END { print "from " first " to " last " clients" }')
said "$clients"
# | Synod, leader killed | median | least | most | times |
read -r median count < <(rows_of failover |
awk -F '|' '/Synod, leader killed/ { print $3 + 0, $6 + 0 }') || true
said "${median:-?} ms after"
said "(median of ${count:-?})"

if ! command -v python3 >/dev/null; then
	echo "there is no python3: the tables were not compared with docs/performance.json"
elif ! scripts/bench.sh --render docs/performance.json --check; then
	fail "docs/performance.md or docs/performance.svg differs from docs/performance.json;" \
		"'scripts/bench.sh --render docs/performance.json --docs' writes them anew"
fi
[[ $failed -eq 0 ]]
