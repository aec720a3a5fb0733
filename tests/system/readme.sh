#!/usr/bin/env bash
# The commands of the README's beginning, as they stand there.
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
export SYNOD_BASE_PORT=$base_port
run=$tree/run
config=$run/cluster.conf

# The indented lines of a section: commands_of TITLE
commands_of() {
	awk -v title="## $1" '/^## /{inside = $0 == title} inside && /^    [^ ]/{print substr($0, 5)}' "$repository/README.md"
}

# Runs lines as one would type them, and stops at the first that fails. What takes long is cut
# short.
typed() {
	(
		cd "$tree"
		# shellcheck disable=SC2317 # the README's lines call it
		kvbench() {
			command kvbench "$@" --duration 1s
		}
		# That a group has no leader at the moment is an answer, and no failure of the
		# command.
		# shellcheck disable=SC2317 # the README's lines call it
		kvctl() {
			command kvctl "$@" || [[ $? -eq 3 && $1 == status ]]
		}
		set -e
		while IFS= read -r line; do
			echo "\$ $line"
			eval "$line" </dev/null
		done
	)
}

begin "the quick start ends well, on a machine where all is installed and built"
grep -qE '^    \./scripts/quickstart\.sh( |$)' "$repository/README.md" ||
	fail "the README does not name quickstart.sh"
try "$tree/scripts/quickstart.sh"
expect 0
grep -q 'are there and equal' <<<"$out" || fail "nothing was compared: $out"

begin "and again, while the cluster runs, and after it was stopped"
try "$tree/scripts/quickstart.sh"
expect 0
cluster down
try "$tree/scripts/quickstart.sh"
expect 0

begin "the first five minutes are as the README says"
commands_of 'The first five minutes' >"$scratch/commands"
[[ $(wc -l <"$scratch/commands") -gt 10 ]] || fail "the README has no commands"
typed <"$scratch/commands" >"$scratch/typed" 2>&1 || {
	cat "$scratch/typed"
	fail "a command failed"
}
cat "$scratch/typed"
# shellcheck disable=SC2016 # the dollar sign is what stands before a command
grep -qF -A 1 '$ kvctl get greeting' "$scratch/typed" || fail "nothing was read"
grep -qxF 'hello, world' "$scratch/typed" || fail "the greeting did not come back"
grep -qxF SUCCESS "$scratch/typed" || fail "the transaction failed"
[[ ! -e $run ]] || fail "clean has left something: $(ls "$run")"

finish
