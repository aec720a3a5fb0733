#!/usr/bin/env bash
# Replicas that do not hear each other, in one direction or in both, and leaders that sleep.
# (faults: 7, 42, 43, 44)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_proxy.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_proxy.sh"

proxy_cluster up
load_start --clients 4

ballot_of() {
	status_json ".nodes[] | select(.name == \"$1\") | .ballot"
}

begin "a deaf follower does not disturb: the leader and its ballot stay"
leader=$(leader_of 1)
follower=$(others_than "$leader" | head -n 1)
ballot=$(ballot_of "$leader")
deafen "$follower"
load_goes_on 300
same "$(leader_of 1) $(ballot_of "$leader")" "$leader $ballot" "leader and ballot"
something_lost() {
	[[ $(frames lost "$leader-$follower" accept) -gt 0 ]]
}
await "something to be lost on the way to $follower" something_lost
mend
await "$follower to catch up" caught_up "$follower"

begin "a deaf leader is replaced, and the connected majority goes on"
deafen "$leader"
await "another leader" another_leader "$leader"
load_goes_on 200
mend
await "$leader to catch up" caught_up "$leader"

begin "a mute leader is replaced, and the connected majority goes on"
leader=$(leader_of 1)
mute "$leader"
await "another leader" another_leader "$leader"
load_goes_on 200
mend
await "$leader to catch up" caught_up "$leader"

begin "an isolated leader answers no read, from the moment at which it is isolated"
leader=$(leader_of 1)
kv put register old
expect 0
ask "$leader" register 5000
same "$out" "OK old" "what the leader answers before"
isolate "$leader"
# With one write acknowledged by the others.
(
	"$SYNOD_BIN/kvctl" --config "$config" --timeout 30s put register new && echo "done"
) >"$scratch/put.out" 2>&1 &
put=$!
asked=0
until [[ -s $scratch/put.out && $asked -ge 5 ]]; do
	ask "$leader" register 500
	[[ $out != OK* ]] || fail "the isolated leader answered '$out'"
	asked=$((asked + 1))
	[[ $asked -lt 200 ]] || fail "the put does not end"
done
wait "$put"
grep -q "done" "$scratch/put.out" || fail "the put failed: $(<"$scratch/put.out")"
ask "$leader" register 500
[[ $out != OK* ]] || fail "the isolated leader answered '$out' after the others went on"
mend
await "$leader to catch up" caught_up "$leader"

begin "a leader that slept while it was replaced does not answer from the past"
for round in 1 2; do
	leader_sleeps "$round"
done

begin "clients have seen nothing of all that"
load_check

finish
