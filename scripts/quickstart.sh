#!/usr/bin/env bash
# From a fresh Debian 12 to a running cluster that has survived a crash.
#
#   scripts/quickstart.sh [--dir DIR] [--base-port P]
#                             as for scripts/cluster.sh; default ./run and 7000
#
# Installs missing packages (which asks for root or sudo), builds, starts 3 shard
# masters and 2 groups of 3 replicas, stores which packages and files this machine
# has, kills the leader of a group in the middle of that, reads everything back
# and compares, and shows a few commands. It may be run again at any time; data
# that is there stays. Ctrl-C stops what it has started, and says what is left.
set -euo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

readonly records_max=20000
directory=./run
programs=${SYNOD_BIN:-build/bin}
options=() new_options=()
given=() # of --dir and --base-port, what the user has to repeat
phase=packages started=no victim='' child='' child_tree=no

# shellcheck source=scripts/folded.sh
source scripts/folded.sh

usage() {
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
}

while [[ $# -gt 0 ]]; do
	case $1 in
	--dir | --base-port)
		[[ $# -ge 2 && -n $2 ]] || {
			echo "quickstart: $1 needs a value" >&2
			exit 64
		}
		if [[ $1 == --base-port ]]; then
			options+=("$1" "$2")
		elif [[ $2 == /* ]]; then
			directory=$2
		else
			directory=$called_from/$2
		fi
		[[ $1 != --dir ]] || given=(--dir "$directory")
		shift 2
		;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 64
		;;
	esac
done
config=$directory/cluster.conf

step() {
	printf '\n== %s\n' "$*"
}

say() {
	printf '%s\n' "$*" | sed 's/^/   /' | folded 1
}

complain() {
	printf 'quickstart: %s\n' "$*" | folded 2 >&2
}

# A command line to be typed: how PROGRAM ARGUMENT...
how() {
	local line=$1 argument
	shift
	for argument in "$@"; do
		if [[ $argument =~ ^[A-Za-z0-9_./:=-]+$ ]]; then line+=" $argument"; else
			line+=" '${argument//\'/\'\\\'\'}'"; fi
	done
	echo "$line"
}

die() {
	echo >&2
	complain "$*"
	if [[ $started == yes || $phase == running ]]; then
		complain "the cluster in $directory runs; to stop it: $(how scripts/cluster.sh \
			down "${given[@]}")"
	fi
	exit 1
}

# Runs what takes long so that a signal is noticed at once: run COMMAND...
# Children of a shell in the background would ignore Ctrl-C, which goes to all; `run_function` is
# for functions, whose children are ended here.
run() {
	local status=0
	env --default-signal=INT "$@" <&0 &
	child=$! child_tree=no
	wait "$child" || status=$?
	child=''
	return "$status"
}

run_function() {
	local status=0
	"$@" <&0 &
	child=$! child_tree=yes
	wait "$child" || status=$?
	child=''
	return "$status"
}

# Sends a signal to a process and its descendants: end_tree SIGNAL PID
end_tree() {
	local pid children=()
	{ read -ra children <"/proc/$2/task/$2/children"; } 2>/dev/null || true
	for pid in "${children[@]}"; do
		end_tree "$1" "$pid"
	done
	kill "-$1" "$2" 2>/dev/null || true
}

# Ctrl-C, SIGTERM or SIGHUP: ends what is being done, then stops the cluster if this has started it.
interrupted() {
	trap '' INT TERM HUP
	echo >&2
	if [[ -z $child ]]; then
		:
	elif [[ $phase == packages ]]; then
		end_tree INT "$child" # apt-get then ends in good order
	elif [[ $child_tree == yes ]]; then
		end_tree TERM "$child"
	else
		kill -TERM "$child" 2>/dev/null || true
	fi
	[[ -z $child ]] || wait "$child" 2>/dev/null || true
	case $phase in
	packages | building)
		complain "interrupted while $phase_text: nothing was started; to go on, run it again"
		;;
	starting)
		complain "interrupted; to begin again: $(how scripts/quickstart.sh "${given[@]}" \
			"${options[@]}")"
		;;
	running)
		[[ ! -s $scratch/victim ]] || victim=$(<"$scratch/victim")
		if [[ $started == yes ]]; then
			complain "interrupted: stopping the cluster that this has started"
			scripts/cluster.sh down --dir "$directory" || true
			complain "its data is in $directory: $(how scripts/cluster.sh up \
				"${given[@]}") starts it again," \
				"$(how scripts/cluster.sh clean "${given[@]}") removes it"
		else
			[[ -z $victim ]] || scripts/cluster.sh restart "$victim" \
				--dir "$directory" || true
			complain "interrupted: the cluster in $directory ran before, and goes on;" \
				"$(how scripts/cluster.sh down "${given[@]}") stops it"
		fi
		;;
	esac
	exit 130
}

kvctl() {
	"$programs/kvctl" --config "$config" --timeout 30s "$@"
}

cluster() {
	scripts/cluster.sh "$1" --dir "$directory" "${@:2}"
}

# Shows a command as one would type it, runs it, and demands that it prints what is expected: show
# EXPECTED ARGUMENT...
show() {
	local expected=$1 printed
	shift
	say "\$ $(how kvctl "$@")"
	printed=$(kvctl "$@") || die "that failed with exit code $?"
	say "$printed"
	[[ $printed == "$expected" ]] || die "that should have printed '$expected'"
}

# KEY<tab>VALUE: each package with its version, each file with the package that it is from.
make_records() {
	{
		dpkg-query -W -f '${Package}\t${Version}\n'
		grep -H . /var/lib/dpkg/info/*.list |
			sed -E 's|^/var/lib/dpkg/info/([^:/]+)(:[^:/]+)?\.list:(/.*)$|\3\t\1|'
	} | grep -aP '^[\x21-\x7e]+\t[\x21-\x7e]+$' | sort -u -t $'\t' -k 1,1 |
		awk -v max=$records_max '{
		line[NR] = $0
	} END {
		# Evenly chosen when too many. All packages: their names begin with no slash.
		step = NR > max ? NR / max : 1
		for (i = 1; i <= NR; i++)
			if (line[i] !~ /^\// || int(i / step) != int((i - 1) / step))
				print line[i]
	}'
}

# One line for each node; also while a group elects, of which kvctl warns with its exit code.
nodes() {
	{ kvctl status -o json || [[ $? -eq 3 ]]; } | tr -d ' \t\n' | sed 's/{"name"/\n&/g'
}

# The name of the leader of group 1; fails when there is none at the moment.
leader() {
	nodes | sed -nE '/"role":"shardkv"/{/"group":1[,}]/{/"leader":true/s/^\{"name":"([^"]*)".*/\1/p}}' | grep .
}

# How many writes the leader of group 1 has applied.
applied() {
	nodes | sed -nE '/"group":1[,}]/{/"leader":true/s/.*"applied":([0-9]+).*/\1/p}' | grep .
}

# Waits until a command succeeds: await WHAT COMMAND...
await() {
	local what=$1 deadline=$((SECONDS + 60))
	shift
	until "$@"; do
		[[ $SECONDS -lt $deadline ]] ||
			die "waited a minute for $what; see $directory/*/log"
		sleep 0.05
	done
}

grown() {
	local now
	now=$(applied 2>/dev/null) && [[ $now -gt $before ]]
}

same_slot() {
	local states
	states=$(nodes | grep "^{\"name\":\"$1\"") &&
		[[ $states == *'"up":true'* && $states == *'"lag":0,'* ]]
}

named_leader() {
	victim=$(leader)
}

# Feeds the import: half of the records, then, when they are arriving, a leader's death, then the
# rest.
feed() {
	head -n $((count / 2)) "$scratch/records"
	await "the first records to arrive" grown >&2
	await "group 1 to have a leader" named_leader >&2
	echo "$victim" >"$scratch/victim"
	cluster kill "$victim" >/dev/null
	[[ ! -t 2 ]] || printf '\r\e[K' >&2 # where the import shows how far it is
	echo "   half way: killed $victim, the leader of group 1, with kill -9" >&2
	tail -n +$((count / 2 + 1)) "$scratch/records"
}

# Follows the steps that make counts, "[ 42/310] CC …": on a terminal in one line, elsewhere each
# tenth of them.
show_progress() {
	local line done_ total shown=0 columns=80
	[[ ! -t 1 ]] || measure 1
	while IFS= read -r line; do
		[[ $line =~ ^\[\ *([0-9]+)/([0-9]+)\]\  ]] || continue
		done_=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
		if [[ -t 1 ]]; then
			line="   $line"
			printf '\r\e[K%s' "${line:0:columns-1}"
		elif [[ $((done_ * 10 / total)) -gt $shown ]]; then
			shown=$((done_ * 10 / total))
			say "[$done_/$total] $((shown * 10)) %"
		fi
	done
	[[ ! -t 1 ]] || printf '\r\e[K'
}

build() {
	make -j"$(nproc)" 2>&1 | tee "$scratch/make" | show_progress
}

store() {
	feed | kvctl import
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap interrupted INT TERM HUP

step "1/6 Packages"
phase_text='installing packages'
run scripts/setup.sh || die "packages are missing, see above"

step "2/6 Building into build/ (a minute or less; nothing if it is built)"
phase=building phase_text='building'
if [[ -z ${SYNOD_BIN:-} ]]; then
	run_function build || {
		grep -v '^\[' "$scratch/make" | tail -n 40 >&2
		die "'make' failed, see above"
	}
fi
say "$("$programs/kvctl" version | head -n 1)"

step "3/6 Starting 3 shard masters and 2 groups of 3 replicas on 127.0.0.1"
phase=starting
some_ran=$(scripts/cluster.sh status --dir "$directory" 2>/dev/null |
	grep -cE '^[a-z0-9]+ +[a-z]+ +(running|paused)' || true)
[[ -f $config ]] || new_options=(--set wal_segment_bytes=16MiB)
run scripts/cluster.sh up --dir "$directory" "${options[@]}" "${new_options[@]}" ||
	die "the cluster did not start, see above (this script takes --base-port and --dir, too)"
[[ $some_ran -gt 0 ]] || started=yes
phase=running

step "4/6 Storing this machine's packages and files, and killing a leader meanwhile"
make_records >"$scratch/records"
count=$(wc -l <"$scratch/records")
say "$count records"
before=$(applied) || die "group 1 has no leader; see $directory/*/log"
run_function store || die "the import failed with exit code $?"
victim=$(<"$scratch/victim")
[[ -n $victim ]] || die "no leader was killed"
say "imported; the group has gone on under $(leader || echo "another leader")"

step "5/6 Reading everything back"
kvctl export >"$scratch/export" || die "the export failed with exit code $?"
sort "$scratch/export" >"$scratch/found"
sort "$scratch/records" >"$scratch/expected"
if ! comm -23 "$scratch/expected" "$scratch/found" >"$scratch/differing" ||
	[[ -s $scratch/differing ]]; then
	head -n 5 "$scratch/differing" >&2
	die "$(wc -l <"$scratch/differing") of $count records are not as they were stored (the first are above)"
fi
say "all $count are there and equal, $victim being dead"
cluster restart "$victim" >/dev/null
await "$victim to catch up" same_slot "$victim"
say "$victim is back and has caught up"

step "6/6 A few commands"
show OK put greeting 'hello, world'
show 'hello, world' get greeting
show "$(dpkg-query -W -f '${Version}' bash)" get bash
show OK put '{account}balance' 100
show $'SUCCESS\nOK\n60' txn --if 'value({account}balance)=100' --then 'put {account}balance 60' \
	--then 'get {account}balance'
say "\$ kvctl status"
kvctl status | sed 's/^/   /' | narrowed 1 "${unimportant[@]}"

printf '\nThe cluster runs. To go on:\n\n'
[[ $called_from -ef . ]] || printf '   %s\n' "$(how cd "$PWD")"
# shellcheck disable=SC2016 # to be typed as it is
printf '   export PATH=$PWD/build/bin:$PATH\n'
[[ ${#given[@]} -eq 0 ]] || printf '   export KVCTL_CONFIG=%s\n' "$(how '' "$config" |
	sed 's/^ //')"
cat <<END
   kvctl get --prefix /usr/bin/ --limit 5
   kvctl help                                   all commands
   $(how scripts/cluster.sh kill g1a "${given[@]}")
                                                break something
   $(how scripts/cluster.sh restart g1a "${given[@]}")
   $(how scripts/cluster.sh down "${given[@]}")
                                                stop; 'up' starts it again
   $(how scripts/cluster.sh clean "${given[@]}")
                                                stop and remove the data
END
