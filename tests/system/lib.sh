# What the system tests share: a scratch directory and ports of their own, a cluster, checks, and
# waiting for conditions.
# shellcheck shell=bash disable=SC2034 # variables set here are for the tests
#
#   #!/usr/bin/env bash
#   # What this file tests.
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   cluster up
#   begin "a value that was put is read back"
#   kv put key value
#   expect 0 OK
#   finish
#
# A failed expectation ends the test file, with the end of every node's log; whatever happens, the
# processes of the cluster are killed and the scratch directory is removed (KEEP=1 keeps it). The
# last line is "N passed, N failed". Nothing waits for a number of seconds: await asks for a
# condition until it holds, or a deadline far away has passed.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
: "${SYNOD_BIN:=$repository/build/bin}"
export SYNOD_BIN
tools=$(cd "$SYNOD_BIN/../tests/system" && pwd -P)
unset KVCTL_CONFIG KVCTL_ENDPOINTS

readonly deadline_s=${SYSTEM_TEST_DEADLINE_S:-60} # of every condition
scratch=$(mktemp -d "${TMPDIR:-/tmp}/synod-test.XXXXXX")
run=$scratch/run
config=$run/cluster.conf
helpers=()
passed=0
current=''

say() {
	echo "$@"
}

# --- Ports ---

# The ports of this machine that any socket has, in order.
ports_taken() {
	# Columns: number, local address as HEX:PORT in hexadecimal, … Sockets that only wait out
	# the end (06) take nothing.
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk '$2 ~ /:/ && $4 != "06" { sub(/.*:/, "", $2); print "0x" $2 }' |
		while read -r port; do echo $((port)); done | sort -nu
}

# None of the ports from FIRST to LAST is taken: ports_free FIRST LAST
ports_free() {
	ports_taken | awk -v first="$1" -v last="$2" \
		'$1 >= first && $1 <= last { taken = 1 } END { exit taken }'
}

# The kernel gives ports FIRST to LAST to outgoing connections of whoever asks: ports_ephemeral
# FIRST LAST
ports_ephemeral() {
	local low high
	read -r low high </proc/sys/net/ipv4/ip_local_port_range
	[[ $2 -ge $low && $1 -le $high ]]
}

# Reserves base_port: +1 … +99 and +1001 … +1099 are this test's alone, as long as it runs, among
# all tests of this machine. All are ports that the kernel does not hand out itself, unless it hands
# out all.
reserve_ports() {
	local slot attempt
	for ((attempt = 0; attempt < 200; attempt++)); do
		slot=$((($$ + attempt) % 100))
		base_port=$((10000 + 2000 * (slot / 10) + 100 * (slot % 10)))
		port_lock=${TMPDIR:-/tmp}/synod-test-port-$base_port.lock
		exec {port_lock_fd}>"$port_lock"
		# Whoever had it before may have removed the file that was opened here: then others
		# would lock another one.
		if flock -n "$port_lock_fd" && [[ $port_lock -ef /proc/self/fd/$port_lock_fd ]] &&
			{ [[ $attempt -ge 100 ]] ||
			! ports_ephemeral $((base_port + 1)) $((base_port + 1099)); } &&
			ports_free $((base_port + 1)) $((base_port + 99)) &&
			ports_free $((base_port + 1001)) $((base_port + 1099)); then
			return
		fi
		exec {port_lock_fd}>&-
	done
	echo "no free ports among 10000 to 29999"
	exit 1
}

# --- The cluster ---

# Small log files, so that a test does not write gigabytes.
small=(--set wal_segment_bytes=4MiB)

cluster() {
	local command=$1
	shift
	if [[ $command == up && ! -f $config ]]; then
		set -- --base-port "$base_port" "${small[@]}" "$@"
	fi
	"$repository/scripts/cluster.sh" "$command" --dir "$run" "$@"
}

# The address, in cluster.conf, of a node: address NODE listen|http
address() {
	sed -n "/^\[node $1\]/,/^\[node/s/^$2 = //p" "$config" | head -n 1
}

pid_of() {
	cat "$run/$1/pid"
}

# Something of the cluster's own state: status_json JQ-FILTER
status_json() {
	# The exit code of status is that of the whole cluster; what is asked here may be about the
	# rest.
	{ "$SYNOD_BIN/kvctl" --config "$config" status -o json 2>/dev/null || true; } |
		jq -er "$1" 2>/dev/null
}

# The leader of group N; 0 is the shard masters.
leader_of() {
	status_json ".nodes[] | select(.up and .leader and .group == $1) | .name"
}

# A node is up, and has applied everything that its group has chosen: caught_up NODE
caught_up() {
	status_json ".nodes[] | select(.name == \"$1\") | select(.up and .lag == 0 and .leader_name != \"\") | .name" >/dev/null
}

all_healthy() {
	status_json 'if all(.nodes[]; .up and .lag == 0 and .leader_name != "") then "yes" else empty end' >/dev/null
}

# The shard of a key without braces, of 256: CRC16 (XMODEM) mod 16384 / 64.
shard_of() {
	local crc=0 i bit byte
	for ((i = 0; i < ${#1}; i++)); do
		printf -v byte '%d' "'${1:i:1}"
		crc=$((crc ^ byte << 8))
		for ((bit = 0; bit < 8; bit++)); do
			crc=$(((crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff))
		done
	done
	echo $((crc % 16384 / 64))
}

# A few keys of a group, each beginning with PREFIX: keys_of GROUP PREFIX
keys_of() {
	local number owners found=0
	mapfile -t owners < <("$SYNOD_BIN/kvctl" --config "$config" shards -o json |
		jq -r '.shards[]')
	for number in {1..200}; do
		if [[ ${owners[$(shard_of "$2$number")]} -eq $1 ]]; then
			echo "$2$number"
			found=$((found + 1))
			[[ $found -lt 4 ]] || return 0
		fi
	done
}

# Every node is up and well, and has a vote: one that has begun with an empty directory has applied
# nothing at first.
all_vote() {
	status_json 'if all(.nodes[]; .up and .health == "ok" and .applied > 0) then "yes" else empty end' >/dev/null
}

# --- Checks ---

begin() {
	[[ -z $current ]] || passed=$((passed + 1))
	current=$1
	say "--- $current"
}

fail() {
	say "FAILED: $*"
	exit 1
}

# Runs a command; its exit status, stdout and stderr are then in status, out and err.
try() {
	status=0
	"$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
	out=$(tr -d '\0' <"$scratch/out")
	err=$(tr -d '\0' <"$scratch/err")
	last_command="$*"
}

# kvctl on the cluster; with the exit status of the last command in status.
kv() {
	try "$SYNOD_BIN/kvctl" --config "$config" --timeout "${kv_timeout:-30s}" "$@"
}

# expect STATUS [STDOUT]: what the last command has returned and printed.
expect() {
	[[ $status -eq $1 ]] || fail "'$last_command' returned $status, not $1; stdout: $out; stderr: $err"
	[[ $# -lt 2 || $out == "$2" ]] || fail "'$last_command' printed '$out', not '$2'"
}

# Forty records whose keys and values bear a name: put_some NAME
put_some() {
	local number
	for number in $(seq 1 40); do
		printf 'key/%s/%02d\tthe value of %s, %d\n' "$1" "$number" "$1" "$number"
	done >"$scratch/records.$1"
	kv import "$scratch/records.$1"
	expect 0
}

# All that put_some has put, and nothing else.
all_there() {
	kv export --prefix key/
	expect 0 "$(cat "$scratch"/records.* | sort)"
}

# expect_error PATTERN: the last command's stderr matches (extended regular expression).
expect_error() {
	grep -qE -- "$1" <<<"$err" || fail "'$last_command' said '$err', which has no '$1'"
}

# expect_json FILTER VALUE: of the last command's stdout.
expect_json() {
	local value
	value=$(jq -r "$1" <<<"$out") || fail "'$last_command' printed no JSON: $out"
	[[ $value == "$2" ]] || fail "'$last_command': $1 is '$value', not '$2': $out"
}

same() {
	[[ $1 == "$2" ]] || fail "$3: '$1', expected '$2'"
}

# await WHAT COMMAND...: until the command succeeds.
await() {
	local what=$1 deadline=$((SECONDS + deadline_s))
	shift
	until "$@"; do
		[[ $SECONDS -lt $deadline ]] || fail "waited $deadline_s s for $what"
		sleep 0.05
	done
}

# --- Helpers in the background ---

# Starts a program and remembers it; its process id is in helper.
helper_start() {
	"$@" &
	helper=$!
	helpers+=("$helper")
}

helper_ended() {
	[[ $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) != [RSDTt] ]]
}

# The load generator: writes and reads without pause, and notes what was acknowledged.
load_start() {
	progress=$scratch/progress
	echo 0 >"$progress"
	helper_start "$tools/load" --config "$config" --progress "$progress" "$@" \
		>"$scratch/load.out" 2>&1
	load=$helper
	load_goes_on 50
}

load_count() {
	local count
	count=$(<"$progress")
	echo $((10#${count:-0}))
}

load_beyond() {
	! helper_ended "$load" || fail "the load has ended: $(<"$scratch/load.out")"
	[[ $(load_count) -ge $1 ]]
}

# Waits until clients have got on: load_goes_on WRITES
load_goes_on() {
	await "acknowledged writes" load_beyond $(($(load_count) + $1))
}

# Ends the load and demands that everything it has seen, and reads back, is as it must be.
load_check() {
	local code=0
	kill -TERM "$load"
	wait "$load" || code=$?
	cat "$scratch/load.out"
	[[ $code -eq 0 ]] || fail "the load ended with $code"
}

# --- The end ---

# Kills what runs in the scratch directory. A process counts if the number in its pid file has its
# configuration.
kill_nodes() {
	local file pid
	find "$scratch" -name pid -type f | while read -r file; do
		pid=$(<"$file")
		if [[ $pid =~ ^[1-9][0-9]*$ ]] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" |
			grep -qF "$scratch/"; then
			kill -KILL "$pid" 2>/dev/null || true
		fi
	done
}

show_logs() {
	local file
	find "$scratch" -name log -type f | sort | while read -r file; do
		say "..... ${file#"$scratch"/}"
		tail -n "${LOG_LINES:-8}" "$file"
	done
}

# Ends the test file as not applicable here; tests/run.sh shows the reason.
skip() {
	say "SKIPPED: $*"
	current=''
	finished=yes
	exit 0
}

# Fails if a node has died of an assertion, or a sanitizer has found something.
check_logs() {
	local file
	while read -r file; do
		! grep -aE 'AddressSanitizer|LeakSanitizer|runtime error:|assertion failed|event=fatal' "$file" ||
			fail "${file#"$scratch"/} shows a bug"
	done < <(find "$scratch" -name log -type f)
}

finish() {
	check_logs
	[[ -z $current ]] || passed=$((passed + 1))
	current=''
	finished=yes
}

cleanup() {
	local code=$?
	trap - EXIT
	set +e
	if [[ ${finished:-no} != yes ]]; then
		[[ $code -ne 0 ]] || code=1
		show_logs
		say "in: ${current:-the beginning}"
	fi
	[[ ${#helpers[@]} -eq 0 ]] || kill -KILL "${helpers[@]}" 2>/dev/null
	kill_nodes
	[[ -z ${on_cleanup:-} ]] || "$on_cleanup"
	wait 2>/dev/null
	if [[ -n ${KEEP:-} ]]; then
		say "kept: $scratch"
	else
		rm -rf "$scratch"
	fi
	rm -f "${port_lock:-}"
	if [[ $code -eq 0 ]]; then say "$passed passed, 0 failed"; else say \
		"$passed passed, 1 failed"; fi
	exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

for tool in jq flock; do
	command -v "$tool" >/dev/null ||
		fail "there is no $tool: scripts/setup.sh --tests installs it"
done
reserve_ports
