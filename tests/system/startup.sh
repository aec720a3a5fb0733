#!/usr/bin/env bash
# A daemon that cannot or must not start says why, names the culprit, and exits. (faults: 80, 81)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --groups 1 --replicas 1 --masters 1

# Runs shardkvd on a configuration until it ends, which it must do by itself: starts CONFIG
# ARGUMENT...
starts() {
	try timeout --kill-after=5 "$deadline_s" "$SYNOD_BIN/shardkvd" --config "$@"
}

# A copy of the configuration for one node at other ports: variant NAME [SED-EXPRESSION]...
variant() {
	local file=$scratch/$1.conf expression
	shift
	sed -E "s/^(listen|http) = 127.0.0.1:[0-9]+/\1 = 127.0.0.1:PORT/; s|^dir = .*/([^/]*)$|dir = $scratch/variant/\1|" "$config" |
		awk -v port=$((base_port + 50)) '{ while (sub(/PORT/, port)) port++; print }' \
		>"$file"
	for expression in "$@"; do
		sed -i -E "$expression" "$file"
	done
	echo "$file"
}

begin "without arguments, with unknown ones, or without a configuration it says how it is used"
starts "$config"
expect 64
expect_error '--node'
starts "$config" --node g1a --bogus 1
expect 64
expect_error 'bogus'
starts "$scratch/missing.conf" --node g1a
expect 78
expect_error 'missing.conf'

begin "a node that is not in the file, or is for another program, is an error"
starts "$config" --node g9z
expect 78
expect_error 'g9z'
starts "$config" --node m1
expect 78
expect_error 'shardmaster'

begin "an unknown key, an absurd value, a repeated address are errors that name file and line"
file=$(variant unknown 's/^(name = demo)/\1\nelection_timeout = 100/')
starts "$file" --node g1a
expect 78
expect_error 'unknown.conf.*:3.*election_timeout'
file=$(variant absurd 's/^(name = demo)/\1\nelection_timeout_ms = 5/')
starts "$file" --node g1a
expect 78
expect_error 'absurd.conf.*:3.*election_timeout_ms'
file=$(variant repeated "s/^listen = .*/listen = 127.0.0.1:$((base_port + 60))/")
starts "$file" --node g1a
expect 78
expect_error "$((base_port + 60))"
try env SYNOD_HEARTBEAT_INTERVAL_MS=often "$SYNOD_BIN/shardkvd" --config "$config" --node g1a
expect 78
expect_error 'SYNOD_HEARTBEAT_INTERVAL_MS'

begin "a flag outweighs the environment, which outweighs the file, and --print-config says so"
file=$(variant printed 's/^(name = demo)/\1\nheartbeat_interval_ms = 31\nelection_timeout_ms = 301\nsessions_max = 301/')
try env SYNOD_ELECTION_TIMEOUT_MS=302 SYNOD_SESSIONS_MAX=302 "$SYNOD_BIN/shardkvd" \
	--config "$file" --node g1a \
	--sessions_max 303 --print-config
expect 0
grep -qE 'heartbeat_interval_ms = 31.*printed.conf' <<<"$out" || fail "heartbeat_interval_ms: $out"
grep -qE 'election_timeout_ms = 302.*SYNOD_ELECTION_TIMEOUT_MS' <<<"$out" ||
	fail "election_timeout_ms: $out"
grep -qE 'sessions_max = 303.*--sessions_max' <<<"$out" || fail "sessions_max: $out"

begin "an address in use is named"
file=$(variant occupied)
starts "$file" --node g1a --listen "$(address g1a listen)"
expect 1
expect_error "$(address g1a listen)"
starts "$file" --node g1a --http "$(address g1a http)"
expect 1
expect_error "$(address g1a http)"

begin "a data directory in use, or of another node, is refused and left alone"
file=$(variant foreign)
starts "$file" --node g1a --dir "$run/g1a"
expect 1
expect_error 'in use'
cluster down
starts "$file" --node g1a --dir "$run/m1"
expect 1
expect_error 'another node'
expect_error 'm1'
file=$(variant renamed 's/^name = demo/name = another/')
starts "$file" --node g1a --dir "$run/g1a"
expect 1
expect_error 'another node'
rm "$run/m1/identity"
try "$SYNOD_BIN/shardmasterd" --config "$config" --node m1
expect 1
expect_error 'identity'

begin "a data directory that cannot be made, or written, is named"
file=$(variant unwritable)
echo >"$scratch/file"
starts "$file" --node g1a --dir "$scratch/file"
expect 1
expect_error "$scratch/file"
starts "$file" --node g1a --dir "$scratch/file/below"
expect 1
expect_error "$scratch/file"
starts "$file" --node g1a --dir /proc/synod
expect 1
expect_error '/proc/synod'
mkdir -m 555 "$scratch/readonly"
chmod 755 "$scratch"
if [[ $EUID -ne 0 ]]; then
	starts "$file" --node g1a --dir "$scratch/readonly"
	expect 1
	expect_error "$scratch/readonly"
elif setpriv --reuid=65534 --regid=65534 --clear-groups "$SYNOD_BIN/shardkvd" --version >/dev/null \
	2>&1; then
	try timeout --kill-after=5 "$deadline_s" setpriv --reuid=65534 --regid=65534 \
		--clear-groups \
		"$SYNOD_BIN/shardkvd" --config "$file" --node g1a --dir "$scratch/readonly"
	expect 1
	expect_error "$scratch/readonly"
else
	say "not tested: a read-only directory (root may write everywhere, and others may not run $SYNOD_BIN/shardkvd)"
fi

begin "a directory that does not exist is made, with its parents"
helper_start "$SYNOD_BIN/shardkvd" --config "$file" --node g1a --dir "$scratch/new/deep/g1a" \
	2>"$scratch/new.log"
await "the new node to start" grep -q event=started "$scratch/new.log"
[[ -f $scratch/new/deep/g1a/identity ]] || fail "there is no data directory"
kill -TERM "$helper"
code=0
wait "$helper" || code=$?
same "$code" 0 "exit code after SIGTERM"

finish
