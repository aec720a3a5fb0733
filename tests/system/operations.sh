#!/usr/bin/env bash
# The commands of docs/operations.md, as they stand there.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The same tree, in which ./run and build/ are this test's.
tree=$scratch/tree
mkdir "$tree"
for entry in "$repository"/*; do
	case ${entry##*/} in
	build | run) ;;
	*) ln -s "$entry" "$tree" ;;
	esac
done
ln -s "$(dirname "$SYNOD_BIN")" "$tree/build"
run=$tree/run config=$tree/run/cluster.conf

# The lines of the shell's blocks in a section: commands_of TITLE
commands_of() {
	awk -v title="## $1" '/^## / { inside = $0 == title } /^```/ { block = inside && $0 == "```sh"; next } block' \
		"$repository/docs/operations.md"
}

# Runs them as one would type them, and stops at the first that fails.
typed() {
	(
		cd "$tree"
		PATH=$SYNOD_BIN:$PATH
		set -e
		while IFS= read -r line; do
			echo "\$ $line"
			# That a group has no leader at the moment is an answer, and no failure of
			# the command.
			eval "$line" </dev/null || [[ $? -eq 3 && $line == kvctl\ status* ]]
		done
	)
}

follow() {
	commands_of "$1" >"$scratch/commands"
	[[ $(wc -l <"$scratch/commands") -ge "$2" ]] || fail "the section '$1' has no commands"
	typed <"$scratch/commands" >"$scratch/typed" 2>&1 || {
		cat "$scratch/typed"
		fail "a command failed"
	}
	cat "$scratch/typed"
	await "all nodes to be well" all_vote
	kv get key
	expect 0 value
}

cluster up --masters 1 --groups 1 >/dev/null
kv put key value
expect 0

begin "a disk is lost"
follow 'A disk is lost' 5
grep -q 'event=member_bound replica=2 binding=1' "$run/g1a/log" ||
	fail "g1b has not come back with another disk"

begin "a machine is lost"
follow 'A machine is lost' 4
grep -qE '^ *4 +g1d .* voter ' "$scratch/typed" || fail "g1d does not vote"
! grep -qE '^ *2 +g1b ' <(tail -n 4 "$scratch/typed") || fail "g1b is a member still"

begin "a majority is lost"
cluster clean >/dev/null
rm -rf "$run"
cluster up --masters 1 --groups 1 >/dev/null
kv put key value
expect 0
follow 'A majority is lost' 9
grep -q 'event=generation_begun' "$run/g1a/log" || fail "g1a does not say that it has gone on"
grep -qE '^ *1 +g1a .* voter ' <(tail -n 4 "$scratch/typed") || fail "g1a does not vote"
grep -qE '^ *4 +g1b .* voter ' <(tail -n 4 "$scratch/typed") || fail "g1b does not vote"

finish
