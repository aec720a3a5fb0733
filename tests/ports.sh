#!/usr/bin/env bash
# Ports that are written down anywhere, and those that scripts use by default, lie below the range
# from which Linux takes ports for outgoing connections (from 32768): a port of that range may be
# taken at any time. (What unit tests only parse is not meant.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

# "FILE:LINE:PORT" of each port that is written down with the address, and of each default; base
# ports as the highest port of a cluster of 99 nodes.
written_down() {
	grep -rnoE '(127\.0\.0\.1|localhost|\[::1\]):[0-9]{2,5}\b' README.md conf docs/*.md \
		scripts src cmd tests/system tests/bench |
		sed -E 's/^([^:]*:[0-9]+):.*:/\1:/'
	grep -rnoE '(base_port=\$\{SYNOD_BASE_PORT:-|SYNOD_BASE_PORT:-|--base-port |--base-port", type=int, default=)[0-9]+' \
		README.md docs/*.md scripts tests | while IFS=: read -r file line text; do
		echo "$file:$line:$((${text##*[!0-9]} + 1099))"
	done
}

found=$(written_down)
[[ $(wc -l <<<"$found") -ge 20 ]] || {
	echo "FAILED: no ports were found"
	exit 1
}
high=$(awk -F : '$3 >= 32768' <<<"$found")
[[ -z $high ]] || {
	echo "FAILED: these ports are not below 32768:"
	echo "$high"
	exit 1
}
echo "$(wc -l <<<"$found") ports are below 32768"
