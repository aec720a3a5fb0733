#!/usr/bin/env bash
# How often a put's value is copied: in the client, in the leader of three replicas, and in the
# others. Counted in a cluster of this machine (tests/bench/copies_counter.c): what is copied in
# user space in calls for 512 bytes and more, divided by what was put. Fails if it is more than the
# budget below.
#
#   tests/bench/copies.sh                  compares with the budget
#   tests/bench/copies.sh --show [BYTES]…  prints where the bytes are copied, for values of 64 KiB
#                                          and 1 MiB, or these
#
# In the client a value is copied into the request, and from there into the frame. In a server: from
# what was read of the socket into the frame, as far as that came in pieces; from the frame into the
# entry, which log and peers share; and from the entry into the store. Values below 4 KiB are copied
# oftener: that costs less than keeping count of them.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

readonly client_max=2.2 server_max=3.2 # and the messages around the values
sizes=(65536 1048576)
show=no
if [[ ${1:-} == --show ]]; then
	show=yes
	shift
	[[ $# -eq 0 ]] || sizes=("$@")
fi

small=(--set wal_segment_bytes=64MiB) # values, not new segments
program=$SYNOD_BIN/shardkvd
for tool in "${CC:-gcc}" addr2line; do
	command -v "$tool" >/dev/null || skip "$tool is not installed"
done
! nm "$program" 2>/dev/null | grep -E '__asan_init|__tsan_init' >/dev/null || skip "a sanitizer has its own memcpy"

counter=$scratch/copies_counter.so
"${CC:-gcc}" -O2 -fno-omit-frame-pointer -fno-builtin -fno-tree-loop-distribute-patterns -shared -fPIC \
	-o "$counter" "$repository/tests/bench/copies_counter.c"

# Runs a command whose copies are counted in DIRECTORY: counted DIRECTORY COMMAND…
counted() {
	local directory=$1
	shift
	mkdir -p "$directory"
	COPIES_OUT=$directory LD_PRELOAD=$counter "$@"
}

# Copies of a value that a process has made: copies FILE COUNT BYTES
copies() {
	awk -v total=$(($2 * $3)) '{ sum += $1 } END { printf "%.2f\n", sum / total }' "$1"
}

# Where: sites FILE PROGRAM COUNT BYTES
sites() {
	local bytes calls callers name
	sort -k1,1nr "$1" | head -n 14 | while read -r bytes calls callers; do
		[[ $((bytes * 100)) -ge $(($3 * $4)) ]] || break
		name=''
		for caller in $callers; do
			name+=" < $(addr2line -s -f -e "$2" "$caller" 2>/dev/null | paste -sd ' ' | sed 's/ (discriminator.*//')"
		done
		awk -v b="$bytes" -v total=$(($3 * $4)) -v c="$calls" -v n="${name# < }" \
			'BEGIN { printf "    %5.2f in %6d calls: %s\n", b / total, c, n }'
	done
}

at_most() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'
}

for bytes in "${sizes[@]}"; do
	count=$((bytes >= 262144 ? 60 : bytes >= 16384 ? 200 : 1000))
	found=$scratch/copies.$bytes
	begin "a value of $bytes bytes is copied at most $client_max times in the client, $server_max in a server"
	counted "$found/servers" cluster up --masters 1 --groups 1 --set snapshot_log_bytes=8GiB
	leader=$(leader_of 1)
	counted "$found/client" "$tools/../bench/put_values" "$config" "$count" "$bytes"
	[[ $(leader_of 1) == "$leader" ]] || fail "another replica leads now"
	declare -A pid=()
	for node in g1a g1b g1c; do
		pid[$node]=$(pid_of "$node")
	done
	cluster down
	file=$(echo "$found"/client/put_values.*)
	client=$(copies "$file" "$count" "$bytes")
	say "$bytes bytes: $client copies in the client"
	[[ $show == no ]] || sites "$file" "$tools/../bench/put_values" "$count" "$bytes"
	worst=0
	for node in "$leader" g1a g1b g1c; do
		[[ -n ${pid[$node]:-} ]] || continue
		file=$(echo "$found"/servers/*."${pid[$node]}")
		copied=$(copies "$file" "$count" "$bytes")
		say "$bytes bytes: $copied copies in $node$([[ $node != "$leader" ]] || echo ", the leader")"
		[[ $show == no ]] || [[ $node != "$leader" && -n ${follower:-} ]] ||
			sites "$file" "$program" "$count" "$bytes"
		[[ $node == "$leader" ]] || follower=$node
		at_most "$copied" "$worst" || worst=$copied
		unset "pid[$node]"
	done
	rm -rf "$run"
	[[ $show == no ]] || continue
	at_most "$client" "$client_max" || fail "the client copies a value $client times (--show says where)"
	at_most "$worst" "$server_max" || fail "a server copies a value $worst times (--show says where)"
done
finish
