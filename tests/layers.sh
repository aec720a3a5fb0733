#!/usr/bin/env bash
# Reads the #includes of src/ and cmd/ and fails if one breaks the architecture:
#
#   - a directory of src/ includes only those below it (the table `below`);
#   - protobuf-c is seen by src/wire only, so that everything else works on validated plain structs;
#   - sockets, files, clocks, threads and the event loop are seen by src/host, cmd and the listed wrappers
#     only, so that protocol code runs in the simulator exactly as in a daemon.
#
#   tests/layers.sh           checks itself on trees that are wrong on purpose, then this tree
#   tests/layers.sh TREE      checks another tree
set -euo pipefail
export LC_ALL=C

# What the files of each directory may include, besides their own directory.
declare -A below
below[base]=''
below[node]='base'
below[wire]="${below[node]} node"
below[wal]="${below[node]} node"
below[store]="${below[node]} node"
below[paxos]="${below[wire]} wire wal store"
below[trace]="${below[wire]} wire paxos"
below[rsm]="${below[paxos]} paxos"
below[agreement]="${below[rsm]} rsm"
below[shardmaster]="${below[rsm]} rsm"
below[paxoslog]="${below[rsm]} rsm agreement"
below[kv]="${below[wire]} wire store"
below[shardkv]="${below[shardmaster]} shardmaster kv"
below[view]="${below[rsm]} rsm"
below[pb]="${below[rsm]} rsm kv"
below[client]="${below[shardkv]} shardkv view pb trace"
# The two worlds know protocols at most to check their invariants, and no service.
below[host]="${below[rsm]} rsm trace"
below[sim]="${below[rsm]} rsm trace"
# The judge of histories knows nothing of what it judges.
below[check]='base'

# Headers through which code reaches the outside.
world_headers='event\.h|event2/.*|evhttp\.h|sys/(socket|un|time|select|epoll|eventfd|timerfd|stat|statvfs|file|mman|uio|wait|random)\.h'
world_headers+='|netinet/.*|arpa/inet\.h|netdb\.h|poll\.h|pthread\.h|threads\.h|semaphore\.h|sched\.h|time\.h|fcntl\.h|unistd\.h|dirent\.h|signal\.h'

# Files below the worlds that reach the outside, and why.
may_touch_world() {
	case $1 in
	src/host/* | cmd/*) ;;
	src/base/log_fd.c) ;; # writes log lines to a descriptor, with the system's clock
	src/base/output.c) ;; # stdout of the command line programs
	src/client/handle.[ch] | src/client/thread.[ch] | src/client/open.c | src/client/sync.c | src/client/read_calls.c | src/client/cluster.c | src/client/members.c | src/client/trace.c | src/client/view.c | src/client/paxosd.c) ;; # a client node's own thread
	*) return 1 ;;
	esac
}

# May file $1 of directory $2 include a header of directory $3?
may_include() {
	local file=$1 directory=$2 target=$3

	[[ $directory == "$target" ]] && return 0
	[[ " ${below[$directory]} " == *" $target "* ]] && return 0
	# A client's node runs in a host of its own.
	[[ $directory == client && $target == host ]] && may_touch_world "$file"
}

# Prints what is wrong with one include, if anything: check_include FILE HEADER QUOTED
check_include() {
	local file=$1 header=$2 quoted=$3 directory target

	if [[ $header == protobuf-c/* || $header == *.pb-c.h ]]; then
		[[ $file == src/wire/* ]] || echo "only src/wire may see protobuf-c"
	elif [[ $quoted == no ]]; then
		if [[ $header =~ ^($world_headers)$ ]] && ! may_touch_world "$file"; then
			echo "protocol code touches no socket, file, clock or thread"
		fi
	elif [[ $file == src/* ]]; then
		directory=${file#src/}
		directory=${directory%%/*}
		target=${header%%/*}
		if [[ -z ${below[$directory]+known} ]]; then
			echo "src/$directory is not in the table of layers"
		elif [[ $header != */* || -z ${below[$target]+known} ]]; then
			echo "headers are included as \"LAYER/NAME.h\""
		elif ! may_include "$file" "$directory" "$target"; then
			echo "$directory may not include $target"
		elif may_touch_world "src/$header" && ! may_touch_world "$file"; then
			echo "the header reaches the outside, and $file may not"
		fi
	fi
}

# Checks the tree in the current directory; prints each violation and fails if there is one.
check_tree() {
	local violations=0 includes=0 file line header quoted problem

	while IFS=$'\t' read -r file line quoted header; do
		includes=$((includes + 1))
		problem=$(check_include "$file" "$header" "$quoted")
		[[ -z $problem ]] && continue
		echo "$file:$line: includes $header: $problem"
		violations=$((violations + 1))
	done < <(find src cmd -name '*.[ch]' -type f 2>/dev/null | sort | while read -r file; do
		sed -nE '/^[[:space:]]*#[[:space:]]*include/{
			=
			s/^[^"<]*"([^"]*)".*/yes\t\1/
			t print
			s/^[^"<]*<([^>]*)>.*/no\t\1/
			t print
			s/.*/yes\tMACRO/
			:print
			p
		}' "$file" | paste - - | sed "s|^|$file\t|"
	done)
	if [[ $includes -eq 0 ]]; then
		echo "no includes found"
		return 1
	fi
	[[ $violations -eq 0 ]]
}

# Puts one include into one file of an otherwise empty tree and compares the verdict with what it should be:
# expect pass|fail FILE INCLUDE
expect() {
	local verdict=pass tree=$scratch/tree

	rm -rf "$tree"
	mkdir -p "$tree/$(dirname "$2")"
	printf '/* \n */\n#include %s\n' "$3" >"$tree/$2"
	(cd "$tree" && check_tree) >/dev/null || verdict=fail
	[[ $verdict == "$1" ]] && return 0
	echo "self test: #include $3 in $2 should $1"
	return 1
}

self_test() {
	local wrong=0

	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	while read -r verdict file include; do
		expect "$verdict" "$file" "$include" || wrong=$((wrong + 1))
	done <<-'CASES'
		pass src/node/a.c "base/bytes.h"
		pass src/shardkv/a.c "shardmaster/config.h"
		pass src/client/a.c "shardkv/shard.h"
		pass src/paxos/a.c <stdint.h>
		pass src/wire/a.c <protobuf-c/protobuf-c.h>
		pass src/wire/a.c "kv.pb-c.h"
		pass src/host/a.c <event2/event.h>
		pass src/client/handle.c <pthread.h>
		pass src/client/handle.h "host/host.h"
		pass src/client/handle.h <pthread.h>
		pass src/client/sync.c "client/handle.h"
		pass src/base/log_fd.c <unistd.h>
		pass cmd/a.c "shardkv/shardkv.h"
		fail src/base/a.c "node/node.h"
		fail src/wal/a.h "store/store.h"
		fail src/wal/a.c "wire/wire.h"
		fail src/paxos/a.c "rsm/rsm.h"
		fail src/rsm/a.c "shardkv/shardkv.h"
		fail src/shardmaster/a.c "shardkv/shardkv.h"
		fail src/host/a.c "client/synod.h"
		fail src/host/a.c "sim/world.h"
		fail src/sim/a.c "shardkv/shardkv.h"
		pass src/check/a.c "base/map.h"
		fail src/check/a.c "node/node.h"
		fail src/check/a.c <time.h>
		fail src/client/route.c "host/host.h"
		fail src/client/route.c "client/handle.h"
		fail src/rsm/a.c <protobuf-c/protobuf-c.h>
		fail src/rsm/a.c "kv.pb-c.h"
		fail cmd/a.c "kv.pb-c.h"
		fail src/paxos/a.c <time.h>
		fail src/paxos/a.c <sys/time.h>
		fail src/paxos/a.c <sys/socket.h>
		fail src/shardkv/a.c <pthread.h>
		fail src/wal/a.c <fcntl.h>
		fail src/wal/a.c <unistd.h>
		fail src/sim/a.c <event2/event.h>
		fail src/base/log.c <time.h>
		fail src/rsm/a.c "caller.h"
		fail src/rsm/a.c HEADER
		fail src/unknown/a.c "base/bytes.h"
	CASES
	rm -rf "$scratch"
	trap - EXIT
	[[ $wrong -eq 0 ]]
}

if [[ $# -gt 0 ]]; then
	cd "$1"
else
	cd "$(dirname "${BASH_SOURCE[0]}")/.."
	self_test
fi
check_tree
