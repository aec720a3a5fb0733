#!/usr/bin/env bash
# Replies that are lost, connections of which one end is gone, and links that are slow. (faults: 49,
# 50, 73)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_proxy.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_proxy.sh"

proxy_cluster up --set link_ping_interval_ms=300 --set link_ping_timeout_ms=300
load_start --clients 8

begin "a command whose reply is lost is sent again, and applied once"
proxy lose 'client-*' back command 50000
replies_lost() {
	[[ $(frames lost 'client-*' command) -ge 5 ]]
}
await "five replies to be lost" replies_lost
load_goes_on 300
mend

begin "connections that are reset under way cost nothing but time"
for ((round = 0; round < 5; round++)); do
	proxy drop 'client-*'
	load_goes_on 30
done

begin "replicas whose messages are lost, late and out of order go on"
for from in "${proxied[@]}"; do
	for method in accept accepted chosen fetch; do
		proxy lose "$from-g1?" both $method 100000
	done
	proxy delay "$from-g1?" both 0 20
done
load_goes_on 200
mend

begin "a peer that has silently gone is noticed, and dialled again"
leader=$(leader_of 1)
follower=$(others_than "$leader" | head -n 1)
before=$(connections "$leader-$follower")
proxy cut "$leader-$follower"
dialled_again() {
	[[ $(connections "$leader-$follower") -gt $((before + 1)) ]]
}
await "the leader to dial again" dialled_again
load_goes_on 100
mend
await "$follower to catch up" caught_up "$follower"

begin "a peer that takes nothing does not hold up the others"
proxy hold "$leader-$follower"
load_goes_on 300
mend
await "$follower to catch up" caught_up "$follower"

begin "a slow link makes a replica lag, no more"
proxy throttle "$leader-$follower" 20000
load_goes_on 200
mend
await "$follower to catch up" caught_up "$follower"

begin "each append was applied once, and nothing acknowledged is lost"
load_check

finish
