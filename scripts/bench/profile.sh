#!/usr/bin/env bash
# Shows where the time of a put and of a get goes: instructions by part and by function, allocations
# and bytes copied (in the simulated world, under valgrind, so that the figures repeat), and the
# system calls of a leader and a follower under load (perf, or strace where perf may not).
#
#   scripts/bench/profile.sh [--docs] [--base-port P]     --docs: and writes them into
#                                                         docs/performance.md
#
# Takes about a minute. Debian packages: valgrind strace python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

case ${1:-} in
-h | --help)
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
	exit 0
	;;
esac
for tool in valgrind strace python3; do
	if ! command -v "$tool" >/dev/null; then
		echo "profile: there is no $tool: apt-get install valgrind strace python3" >&2
		exit 1
	fi
done
build=${BUILD:-build}
make -s -j2 BUILD="$build" all "$build/tests/bench/calm_load" >/dev/null
mkdir -p "$build/bench"
exec env BUILD="$build" python3 -B scripts/bench/profile.py --build "$build" "$@"
