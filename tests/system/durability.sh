#!/usr/bin/env bash
# Everything is killed at once, and comes back with all that was acknowledged. (faults: 11, 18, 46)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up
nodes=(m1 m2 m3 g1a g1b g1c g2a g2b g2c)

begin "records acknowledged just before every process is killed are all there"
for number in {1..2000}; do
	printf 'record/%05d\tvalue of %d\n' "$number" "$number"
done >"$scratch/records"
kv import "$scratch/records"
expect 0
cluster kill "${nodes[@]}"
cluster up
kv export --prefix record/
expect 0 "$(<"$scratch/records")"

begin "clients that write meanwhile go on, and find what was acknowledged to them"
load_start --clients 8
for _ in 1 2; do
	cluster kill "${nodes[@]}"
	cluster up
	load_goes_on 200
done
load_check

begin "an orderly stop of everything keeps everything"
cluster down
cluster up
kv export --prefix record/
expect 0 "$(<"$scratch/records")"

begin "configurations and sessions survive as well"
kv shards -o json
expect 0
expect_json .config 2
kv put key value
expect 0

finish
