#!/usr/bin/env bash
# The generator of messages (proto/generate.c) refuses a .proto that it does not understand, with
# the line and what is wrong, and then writes nothing: no limit is lost because a word was mistyped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
export LC_ALL=C

generate=${SYNOD_BIN:-build/bin}
generate=${generate%/bin}/gen/generate
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

# refused FILE SED WHAT: proto/FILE, changed by the sed script, is refused, and the message has
# WHAT.
refused() {
	local said

	rm -f "$scratch"/*
	sed -E "$2" "proto/$1" >"$scratch/$1"
	if cmp -s "proto/$1" "$scratch/$1"; then
		echo "the script '$2' changes nothing in proto/$1"
	elif said=$("$generate" "$scratch/$1" "$scratch/h" "$scratch/c" 2>&1); then
		echo "proto/$1 after '$2' is accepted"
	elif [[ ! $said =~ ^"$scratch/$1":[0-9]+:\ .*"$3" ]]; then
		echo "proto/$1 after '$2': '$said' does not say '$3'"
	elif [[ -e $scratch/h || -e $scratch/c ]]; then
		echo "proto/$1 after '$2' is refused, and yet something is written"
	else
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
}

# Words that there are not, or that do not fit.
refused kv.proto 's/\[limit TXN_OPS_MAX\]/[limmit TXN_OPS_MAX]/' 'knows no [limmit TXN_OPS_MAX]'
refused kv.proto 's/\[limit TXN_OPS_MAX\]/[limit]/' '[limit] of what?'
refused kv.proto 's/\[limit TXN_OPS_MAX\]/[limit TXN_OPS_MAX/' 'the bracket is not closed'
refused kv.proto 's/bytes key = 2;/& \/\/ [name]/' 'does not fit'
refused kv.proto 's/bytes key = 2;/& \/\/ [max 7]/' 'does not fit'
refused kv.proto 's/bytes key = 2;/& \/\/ [present]/' 'does not fit'
refused kv.proto 's/\[present\]/[inline 3]/' 'does not fit'
refused rpc.proto 's/\[bare\]/[bear]/' 'knows no [bear]'
refused rpc.proto 's/message Force \{/& \/\/ [bare]/' '[bare] is for one field'
refused rpc.proto '/in wire/d' 'must say [in HEADER]'
# What protoc-c has not seen, or has seen otherwise.
refused kv.proto 's/bytes key = 2;/bytes key = 3;/' 'protoc-c has key = 2 here'
refused kv.proto 's/bytes key = 2;/bytes kee = 2;/' 'protoc-c has key = 2 here'
refused kv.proto 's/bytes key = 2;//' 'fields, not'
refused kv.proto 's/message KvOp /message KvOperation /' 'knows no message KvOperation'
# What no code is generated for: an array in the arena in an element, a check of one in a part.
refused shardmaster.proto 's/inline REPLICAS_MAX, //' 'give it [inline N]'
refused kv.proto 's/message KvInternal \{/& \/\/ [checked]/' 'another message contains this one'
refused kv.proto 's/message KvScan \{/message KvScan { bytes start = 1; }/' 'ends its line'

# And the files as they are give what was compiled.
for proto in proto/*.proto; do
	name=$(basename "$proto" .proto)
	"$generate" "$proto" "$scratch/h" "$scratch/c"
	if cmp -s "$scratch/h" "${generate%/*}/wire/$name.gen.h" &&
		cmp -s "$scratch/c" "${generate%/*}/wire/$name.gen.c"; then
		passed=$((passed + 1))
	else
		echo "$proto gives something else than was built"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
