#!/usr/bin/env bash
# From a fresh Debian 12 to a running cluster that has survived a crash.
#
#   scripts/quickstart.sh [--dir DIR] [--base-port P]     (as scripts/cluster.sh; default ./run and 7000)
#
# Installs missing packages (which asks for root or sudo), builds, starts 3 shard masters and 2 groups of 3
# replicas, stores which packages and files this machine has, kills the leader of a group in the middle of that, reads
# everything back and compares, and shows a few commands. It may be run again at any time; data that is there stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

readonly records_max=20000
directory=./run
programs=${SYNOD_BIN:-build/bin}
options=()

usage() {
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
}

while [[ $# -gt 0 ]]; do
	case $1 in
	--dir | --base-port)
		[[ $# -ge 2 ]] || {
			echo "quickstart: $1 needs a value" >&2
			exit 64
		}
		if [[ $1 == --dir ]]; then directory=$2; else options+=("$1" "$2"); fi
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
	echo "   $*"
}

die() {
	printf '\nquickstart: %s\n' "$*" >&2
	exit 1
}

kvctl() {
	"$programs/kvctl" --config "$config" --timeout 30s "$@"
}

cluster() {
	scripts/cluster.sh "$1" --dir "$directory" "${@:2}"
}

# Shows a command as one would type it, runs it, and demands that it prints what is expected: show EXPECTED ARGUMENT...
show() {
	local expected=$1 argument printed line=''
	shift
	for argument in "$@"; do
		if [[ $argument =~ ^[A-Za-z0-9_./:=-]+$ ]]; then line+=" $argument"; else line+=" '$argument'"; fi
	done
	echo "   \$ kvctl$line"
	printed=$(kvctl "$@") || die "that failed with exit code $?"
	say "${printed//$'\n'/$'\n   '}"
	[[ $printed == "$expected" ]] || die "that should have printed '$expected'"
}

# KEY<tab>VALUE: each package with its version, each file with the package that it is from.
make_records() {
	{
		dpkg-query -W -f '${Package}\t${Version}\n'
		grep -H . /var/lib/dpkg/info/*.list | sed -E 's|^/var/lib/dpkg/info/([^:/]+)(:[^:/]+)?\.list:(/.*)$|\3\t\1|'
	} | grep -aP '^[\x21-\x7e]+\t[\x21-\x7e]+$' | sort -u -t $'\t' -k 1,1 | awk -v max=$records_max '{
		line[NR] = $0
	} END { # evenly chosen when there are too many; all packages, whose names do not begin with a slash
		step = NR > max ? NR / max : 1
		for (i = 1; i <= NR; i++)
			if (line[i] !~ /^\// || int(i / step) != int((i - 1) / step))
				print line[i]
	}'
}

# The name of the leader of group 1; fails when there is none at the moment.
leader() {
	kvctl status -o json | tr -d ' \t\n' | sed 's/{"name"/\n&/g' |
		sed -nE '/"role":"shardkv"/{/"group":1[,}]/{/"leader":true/s/^\{"name":"([^"]*)".*/\1/p}}' | grep .
}

# How many writes the leader of group 1 has applied.
applied() {
	kvctl status -o json | tr -d ' \t\n' | sed 's/{"name"/\n&/g' |
		sed -nE '/"group":1[,}]/{/"leader":true/s/.*"applied":([0-9]+).*/\1/p}' | grep .
}

# Waits until a command succeeds: await WHAT COMMAND...
await() {
	local what=$1 deadline=$((SECONDS + 60))
	shift
	until "$@"; do
		[[ $SECONDS -lt $deadline ]] || die "waited a minute for $what; see $directory/*/log"
		sleep 0.05
	done
}

grown() {
	local now
	now=$(applied 2>/dev/null) && [[ $now -gt $before ]]
}

same_slot() {
	local states
	states=$(kvctl status -o json | tr -d ' \t\n' | sed 's/{"name"/\n&/g' | grep "^{\"name\":\"$1\"") &&
		[[ $states == *'"up":true'* && $states == *'"lag":0,'* ]]
}

# Feeds the import: half of the records, then, when they are arriving, a leader's death, then the rest.
feed() {
	head -n $((count / 2)) "$scratch/records"
	await "the first records to arrive" grown >&2
	victim=$(leader)
	echo "$victim" >"$scratch/victim"
	cluster kill "$victim" >/dev/null
	echo "   half way: killed $victim, the leader of group 1, with kill -9" >&2
	tail -n +$((count / 2 + 1)) "$scratch/records"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

step "1/6 Packages"
scripts/setup.sh

step "2/6 Building into build/ (a minute or less; nothing if it is built)"
if [[ -z ${SYNOD_BIN:-} ]]; then
	make -j"$(nproc)" >"$scratch/make" 2>&1 || {
		tail -n 40 "$scratch/make" >&2
		die "'make' failed, see above"
	}
fi
say "$("$programs/kvctl" version | head -n 1)"

step "3/6 Starting 3 shard masters and 2 groups of 3 replicas on 127.0.0.1"
if [[ ! -f $config ]]; then
	options+=(--set wal_segment_bytes=16MiB)
	cluster up "${options[@]}"
else
	cluster up
fi

step "4/6 Storing this machine's packages and files, and killing a leader meanwhile"
make_records >"$scratch/records"
count=$(wc -l <"$scratch/records")
say "$count records"
before=$(applied) || die "group 1 has no leader; see $directory/*/log"
feed | kvctl import || die "the import failed with exit code $?"
victim=$(<"$scratch/victim")
[[ -n $victim ]] || die "no leader was killed"
say "imported; the group has gone on under $(leader || echo "another leader")"

step "5/6 Reading everything back"
kvctl export >"$scratch/export" || die "the export failed with exit code $?"
sort "$scratch/export" >"$scratch/found"
sort "$scratch/records" >"$scratch/expected"
if ! comm -23 "$scratch/expected" "$scratch/found" >"$scratch/differing" || [[ -s $scratch/differing ]]; then
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
echo "   \$ kvctl status"
kvctl status | sed 's/^/   /'

cat <<END

The cluster runs. To go on (kvctl finds ./run/cluster.conf by itself; for another --dir give it --config):

   export PATH=\$PWD/build/bin:\$PATH
   kvctl get --prefix /usr/bin/ --limit 5 --config $config
   kvctl help                                   all commands
   scripts/cluster.sh kill g1a                  break something, and see kvctl status
   scripts/cluster.sh restart g1a
   scripts/cluster.sh down                      stop; 'up' starts it again with its data
   scripts/cluster.sh clean                     stop and remove the data
END
