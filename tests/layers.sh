#!/usr/bin/env bash
# Reads the #includes of src/ and cmd/ and fails if one breaks the architecture:
#
#   - a room of src/ includes only those that it stands on (src/floors);
#   - protobuf-c is seen by src/ground/wire only, so that everything else works on validated plain
#   structs;
#   - sockets, files, clocks, threads and the event loop are seen by the real world, libsynod, cmd
#   and the listed
#     wrappers only, so that protocol code runs in the simulator exactly as in a daemon.
#
#   tests/layers.sh           checks itself on trees that are wrong on purpose, then this tree
#   tests/layers.sh TREE      checks another tree
set -euo pipefail
export LC_ALL=C

# What the files of each room may include, besides those of their own; and on which floor it is.
declare -A below floor
read_floors() {
	local on room each stands_on
	while read -r on room stands_on; do
		[[ -n $on && $on != '#'* ]] || continue
		floor[$room]=$on below[$room]=''
		for each in $stands_on; do
			[[ -n ${floor[$each]+known} ]] ||
				{ echo "src/floors: $room stands on $each, which is not above it" &&
				exit 1; }
			below[$room]+=" $each ${below[$each]}"
		done
	done <"$1"
}

# Headers through which code reaches the outside.
world_headers='event\.h|event2/.*|evhttp\.h|sys/(socket|un|time|select|epoll|eventfd|timerfd|stat|statvfs|file|mman|uio|wait|random)\.h'
world_headers+='|netinet/.*|arpa/inet\.h|netdb\.h|poll\.h|pthread\.h|threads\.h|semaphore\.h|sched\.h|time\.h|fcntl\.h|unistd\.h|dirent\.h|signal\.h'

# Files below the worlds that reach the outside, and why.
may_touch_world() {
	case $1 in
	src/worlds/host/* | src/worlds/gate/* | src/worlds/daemon/* | cmd/*) ;;
	src/clients/libsynod/*) ;; # a client node's own thread
	src/ground/base/log_fd.c) ;; # writes log lines to a descriptor, with the system's clock
	src/ground/base/output.c) ;; # stdout of the command line programs
	*) return 1 ;;
	esac
}

# May a file of room $1 include a header of room $2?
may_include() {
	[[ $1 == "$2" || " ${below[$1]} " == *" $2 "* ]]
}

# Prints what is wrong with one include, if anything: check_include FILE HEADER QUOTED
check_include() {
	local file=$1 header=$2 quoted=$3 room target place

	if [[ $header == protobuf-c/* || $header == *.pb-c.h ]]; then
		[[ $file == src/ground/wire/* ]] || echo "only src/ground/wire may see protobuf-c"
	elif [[ $quoted == no ]]; then
		if [[ $header =~ ^($world_headers)$ ]] && ! may_touch_world "$file"; then
			echo "protocol code touches no socket, file, clock or thread"
		fi
	elif [[ $file == src/* ]]; then
		place=${file#src/}
		place=${place%/*}
		room=${place#*/}
		target=${header%%/*}
		if [[ ${floor[$room]-} != "${place%%/*}" ]]; then
			echo "src/$place does not stand in src/floors"
		elif [[ $header == synod.h ]]; then
			[[ $room == client || $room == libsynod ]] ||
				echo "the public header is for clients"
		elif [[ $header != */* || -z ${below[$target]+known} ]]; then
			echo "headers are included as \"ROOM/NAME.h\""
		elif ! may_include "$room" "$target"; then
			echo "$room may not include $target"
		elif may_touch_world "src/${floor[$target]}/$header" &&
			! may_touch_world "$file"; then
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

# Puts one include into one file of an otherwise empty tree and compares the verdict with what it
# should be: expect pass|fail FILE INCLUDE
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
		pass src/ground/node/a.c "base/bytes.h"
		pass src/services/shardkv/a.c "shardmaster/config.h"
		pass src/services/view/a.c "server/server.h"
		pass src/worlds/daemon/a.c "server/server.h"
		pass src/clients/client/a.c "shardkv/shard.h"
		pass src/consensus/paxos/a.c <stdint.h>
		pass src/ground/wire/a.c <protobuf-c/protobuf-c.h>
		pass src/ground/wire/a.c "kv.pb-c.h"
		pass src/worlds/host/a.c <event2/event.h>
		pass src/clients/libsynod/handle.c <pthread.h>
		pass src/clients/libsynod/handle.h "host/host.h"
		pass src/clients/libsynod/handle.h <pthread.h>
		pass src/clients/libsynod/sync.c "libsynod/handle.h"
		pass src/ground/base/log_fd.c <unistd.h>
		pass cmd/a.c "shardkv/shardkv.h"
		fail src/ground/base/a.c "node/node.h"
		fail src/storage/wal/a.h "store/store.h"
		fail src/storage/wal/a.c "wire/wire.h"
		fail src/consensus/paxos/a.c "rsm/rsm.h"
		pass src/replication/rsm/a.c "core/consensus.h"
		fail src/replication/rsm/a.c "paxos/multipaxos.h"
		fail src/replication/call/a.c "paxos/multipaxos.h"
		fail src/consensus/core/a.c "paxos/multipaxos.h"
		pass src/services/shardkv/a.c "cores/cores.h"
		fail src/replication/rsm/a.c "shardkv/shardkv.h"
		fail src/services/shardmaster/a.c "shardkv/shardkv.h"
		fail src/worlds/host/a.c "synod.h"
		fail src/worlds/host/a.c "sim/world.h"
		fail src/replication/rsm/a.c "server/server.h"
		fail src/skeleton/server/a.c "view/view.h"
		fail src/worlds/host/a.c "server/server.h"
		fail src/worlds/sim/a.c "shardkv/shardkv.h"
		pass src/judge/check/a.c "base/map.h"
		fail src/judge/check/a.c "node/node.h"
		fail src/judge/check/a.c <time.h>
		fail src/clients/client/route.c "host/host.h"
		fail src/clients/client/route.c "libsynod/handle.h"
		fail src/replication/rsm/a.c <protobuf-c/protobuf-c.h>
		fail src/replication/rsm/a.c "kv.pb-c.h"
		fail cmd/a.c "kv.pb-c.h"
		fail src/consensus/paxos/a.c <time.h>
		fail src/consensus/paxos/a.c <sys/time.h>
		fail src/consensus/paxos/a.c <sys/socket.h>
		fail src/services/shardkv/a.c <pthread.h>
		fail src/storage/wal/a.c <fcntl.h>
		fail src/storage/wal/a.c <unistd.h>
		fail src/worlds/sim/a.c <event2/event.h>
		fail src/ground/base/log.c <time.h>
		fail src/replication/rsm/a.c "caller.h"
		fail src/replication/rsm/a.c HEADER
		fail src/unknown/a.c "base/bytes.h"
	CASES
	rm -rf "$scratch"
	trap - EXIT
	[[ $wrong -eq 0 ]]
}

read_floors "$(dirname "${BASH_SOURCE[0]}")/../src/floors"
if [[ $# -gt 0 ]]; then
	cd "$1"
else
	cd "$(dirname "${BASH_SOURCE[0]}")/.."
	self_test
fi
check_tree
