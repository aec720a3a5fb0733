#!/usr/bin/env bash
# Runs a Synod cluster on this machine.
#
#   scripts/cluster.sh up [OPTION]...   start it, or what of it does not run;
#                                       returns when it serves
#       --masters N       shard masters (default 3)
#       --groups N        groups of the key-value store (default 2)
#       --replicas N      replicas of each group (default 3)
#       --views N         viewservers (default 0, or 3 with --pb)
#       --pb N            primary/backup servers (default 0)
#       --paxos N         paxosds: agreement and a replicated log (default 0)
#       --base-port P     node number i listens on P+i, its HTTP endpoint on
#                         P+1000+i (default 7000, or SYNOD_BASE_PORT)
#       --engine memory   where groups keep their keys
#       --set NAME=VALUE  a line of the configuration's [cluster], such as
#                         shards=1024; may be repeated
#       --timeout S       how long to wait until it serves (default 60)
#   scripts/cluster.sh status           processes, and what the nodes say
#   scripts/cluster.sh kill NODE...     kill -9
#   scripts/cluster.sh stop NODE...     pause (SIGSTOP)
#   scripts/cluster.sh cont NODE...     go on (SIGCONT)
#   scripts/cluster.sh restart NODE...  end it if it runs, and start it
#   scripts/cluster.sh add NAME...      g1d: a replica more for group 1 (m4: a
#                                       shard master, v4: a viewserver, pb3);
#                                       returns when it has everything, and votes
#                                       g3: a whole group, which joins the others
#       --replicas N  of a whole group (default 3)
#       --timeout S   how long to wait (default 60); what was begun goes on
#   scripts/cluster.sh remove NAME...   the same names: the group goes on without
#                                       the node, or the others serve the shards
#                                       of the group; then it is stopped, and
#                                       its section taken out of cluster.conf.
#                                       Directories stay
#   scripts/cluster.sh wipe NODE        its disk is lost: kill -9, remove its
#                                       data, start it; returns when it counts
#                                       again
#       --force       also if its group has no majority without it
#       --timeout S   how long to wait (default 60)
#   scripts/cluster.sh logs NODE [-f]   its log; -f goes on with what comes
#   scripts/cluster.sh down             stop all nodes
#   scripts/cluster.sh clean            stop all nodes and remove their data
#
# All take --dir DIR (default ./run). DIR/cluster.conf is written by the first
# `up`; later ones start what it describes, also after it was edited. DIR/NODE/
# holds the node's data, its log and its pid. Nodes are named m1 m2 ...,
# g1a g1b ... g2a ..., v1 v2 ..., pb1 pb2 ..., p1 p2 ...; all listen on 127.0.0.1.
#
# An `up` that fails or is interrupted (Ctrl-C) stops what it has started. If it
# was the first, the next one begins anew; what it wrote is in DIR/failed.
#
# The programs are those of $SYNOD_BIN, or of build/bin.
# Exit codes: 0 done, 1 failed, 64 usage, 130 interrupted.
set -euo pipefail

readonly NODES_MAX=999 REPLICAS_MAX=7 BASE_PORT_MAX=63535
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
programs=${SYNOD_BIN:-$repository/build/bin}
me=$(printf %q "$0")
directory=./run directory_given=no

# shellcheck source=scripts/folded.sh
source "$repository/scripts/folded.sh"

usage() {
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
}

# On a terminal, lines are folded to its width; elsewhere each message stays one line.
say() {
	echo "cluster: $*" | folded 1
}

complain() {
	echo "cluster: $*" | folded 2 >&2
}

# A command line of this script, for this directory, to be typed: how COMMAND [ARGUMENT]...
how() {
	local line=$me argument
	[[ $directory_given == no ]] || set -- "$@" --dir "$directory"
	for argument in "$@"; do
		line+=" $(printf %q "$argument")"
	done
	echo "'$line'"
}

die() {
	complain "$@"
	exit 1
}

wrong_usage() {
	complain "$@"
	complain "'$me --help' says more"
	exit 64
}

# shellcheck source=scripts/cluster/config.sh
source "$repository/scripts/cluster/config.sh"
# shellcheck source=scripts/cluster/ports.sh
source "$repository/scripts/cluster/ports.sh"
# shellcheck source=scripts/cluster/process.sh
source "$repository/scripts/cluster/process.sh"
# shellcheck source=scripts/cluster/up.sh
source "$repository/scripts/cluster/up.sh"
# shellcheck source=scripts/cluster/members.sh
source "$repository/scripts/cluster/members.sh"

# Checks the nodes named on the command line.
need_nodes() {
	local node
	[[ $# -gt 0 ]] || wrong_usage "$command needs the name of a node: ${names[*]}"
	for node in "$@"; do
		[[ " ${names[*]} " == *" $node "* ]] ||
			wrong_usage "there is no node '$node', only ${names[*]}"
	done
}

status() {
	local node state down=0
	for node in "${names[@]}"; do
		state=$(state_of "$node")
		printf '%-8s %-12s %-8s %s\n' "$node" "${role_of[$node]}" "$state" "$(pid_of \
			"$node" || true)"
		[[ $state == running ]] || down=$((down + 1))
	done
	if [[ $down -lt ${#names[@]} ]]; then
		echo
		check_programs
		kvctl status | narrowed 1 "${unimportant[@]}" || down=$((down + 1))
	fi
	[[ $down -eq 0 ]]
}

restart() {
	local node
	lock_directory
	for node in "$@"; do
		end_nodes "$node"
		check_ports "$node"
		start_node "$node"
		await_listening "$node" || {
			last_lines "$node"
			die "$node did not start"
		}
		say "$node runs"
	done
}

# Waits until a node accepts connections; fails if it ends instead.
await_listening() {
	local deadline=$((SECONDS + 60))
	until in_use "${listen_of[$1]}"; do
		pid_of "$1" >/dev/null && [[ $SECONDS -lt $deadline ]] || return 1
		sleep 0.05
	done
	pid_of "$1" >/dev/null
}

logs() {
	[[ -f $directory/$1/log ]] || die "$1 has no log yet"
	if [[ $follow == yes ]]; then
		tail -n 100 -F "$directory/$1/log"
	else
		cat "$directory/$1/log"
	fi
}

# Ends all nodes that run.
end_all() {
	local node running=0
	for node in "${names[@]}"; do
		! pid_of "$node" >/dev/null || running=$((running + 1))
	done
	if [[ $running -eq 0 ]]; then
		say "nothing runs in $directory"
	else
		end_nodes "${names[@]}"
		say "stopped $running nodes"
	fi
}

down() {
	lock_directory
	end_all
	[[ ! -e $directory/starting ]] || put_aside
	leave_no_trace
}

clean() {
	local node
	if [[ ! -f $(config_file) && ! -d $directory/failed ]]; then
		say "there is no cluster in $directory"
		return
	fi
	lock_directory
	if [[ -f $(config_file) ]]; then
		load_config
		note_strays
		end_all
		for node in "${names[@]}"; do
			rm -rf "${directory:?}/$node"
		done
		# Of nodes that were removed.
		[[ ! -f $directory/removed ]] || while read -r node _; do
			[[ -z $node || $node == *[!A-Za-z0-9._-]* || $node == .* ]] ||
				rm -rf "${directory:?}/$node"
		done <"$directory/removed"
	fi
	rm -rf "$(config_file)" "$directory/joined" "$directory/removed" "$directory/starting" \
		"$directory/failed" "$directory/lock"
	rmdir "$directory" 2>/dev/null || say "left in $directory: what is not of the cluster"
	say "removed the cluster's data"
}

# --- The command line ---

masters=3 ngroups=2 replicas=3 views=0 pbs=0 paxosds=0 base_port=${SYNOD_BASE_PORT:-7000} \
	up_timeout=60 follow=no force=no
given_masters='' given_groups='' given_replicas='' given_views='' given_pbs='' given_paxosds='' \
	given_base_port=''
settings=() started=() nodes=() new=no in_start=no interrupted=no
command=''

# number OPTION VALUE MIN MAX
number() {
	[[ $2 =~ ^[0-9]{1,5}$ && $((10#$2)) -ge $3 && $((10#$2)) -le $4 ]] ||
		wrong_usage "$1 takes a number from $3 to $4, not '$2'"
}

take_option() {
	case $1 in
	--dir) directory=$2 directory_given=yes ;;
	--masters) number "$1" "$2" 1 $REPLICAS_MAX && masters=$((10#$2)) given_masters=yes ;;
	--groups) number "$1" "$2" 1 $NODES_MAX && ngroups=$((10#$2)) given_groups=yes ;;
	--replicas) number "$1" "$2" 1 $REPLICAS_MAX && replicas=$((10#$2)) given_replicas=yes ;;
	--base-port) number "$1" "$2" 1 $BASE_PORT_MAX &&
		base_port=$((10#$2)) given_base_port=yes ;;
	--timeout) number "$1" "$2" 1 86400 && up_timeout=$((10#$2)) ;;
	--set)
		[[ $2 =~ ^[a-z_]+=[^[:space:]]+$ ]] ||
			wrong_usage "--set takes NAME=VALUE, not '$2'"
		settings+=("$2")
		;;
	--engine)
		case $2 in
		memory) ;;
		rocksdb) wrong_usage "--engine rocksdb: this version keeps its keys in memory only (--engine memory)" ;;
		*) wrong_usage "--engine takes memory, not '$2'" ;;
		esac
		;;
	--views) number "$1" "$2" 0 $REPLICAS_MAX && views=$((10#$2)) given_views=yes ;;
	--pb) number "$1" "$2" 0 $REPLICAS_MAX && pbs=$((10#$2)) given_pbs=yes ;;
	--paxos) number "$1" "$2" 0 $REPLICAS_MAX && paxosds=$((10#$2)) given_paxosds=yes ;;
	*) wrong_usage "there is no option $1" ;;
	esac
}

# Which options a command takes besides --dir.
allowed_option() {
	case $command:$1 in
	*:--dir | up:* | wipe:--timeout | add:--timeout | add:--replicas | remove:--timeout) \
		return 0 ;;
	*) return 1 ;;
	esac
}

parse_arguments() {
	local options=() option
	while [[ $# -gt 0 ]]; do
		case $1 in
		-h | --help)
			usage
			exit 0
			;;
		-f | --follow) follow=yes ;;
		--force) force=yes ;;
		--*=*) options+=("${1%%=*}" "${1#*=}") ;;
		--*)
			[[ $# -ge 2 ]] || wrong_usage "$1 needs a value"
			options+=("$1" "$2")
			shift
			;;
		-*) wrong_usage "there is no option $1" ;;
		*) if [[ -z $command ]]; then command=$1; else nodes+=("$1"); fi ;;
		esac
		shift
	done
	[[ -n $command ]] || wrong_usage "no command"
	number SYNOD_BASE_PORT "$base_port" 1 $BASE_PORT_MAX
	for ((option = 0; option < ${#options[@]}; option += 2)); do
		allowed_option "${options[option]}" ||
			wrong_usage "$command does not take ${options[option]}"
		take_option "${options[option]}" "${options[option + 1]}"
	done
	[[ $pbs -eq 0 || -n $given_views ]] || views=3
	[[ $pbs -eq 0 || $views -gt 0 ]] ||
		wrong_usage "--pb needs a view service: --views 1, 3 or 5"
	[[ $((masters + ngroups * replicas + views + pbs + paxosds)) -le $NODES_MAX ]] ||
		wrong_usage "more than $NODES_MAX nodes"
	[[ $follow == no || $command == logs ]] || wrong_usage "$command does not take -f"
	[[ $force == no || $command == wipe ]] || wrong_usage "$command does not take --force"
}

need_running() {
	local node
	for node in "$@"; do
		pid_of "$node" >/dev/null || die "$node does not run"
	done
}

run_on_nodes() {
	local node
	need_nodes "${nodes[@]}"
	case $command in
	kill)
		need_running "${nodes[@]}"
		kill_nodes "${nodes[@]}"
		say "killed ${nodes[*]}"
		;;
	stop)
		need_running "${nodes[@]}"
		for node in "${nodes[@]}"; do signal_node "$node" STOP paused; done
		say "paused ${nodes[*]}"
		;;
	cont)
		need_running "${nodes[@]}"
		for node in "${nodes[@]}"; do signal_node "$node" CONT running; done
		say "let ${nodes[*]} go on"
		;;
	restart) restart "${nodes[@]}" ;;
	wipe)
		[[ ${#nodes[@]} -eq 1 ]] ||
			wrong_usage "wipe takes one node: the next one when that counts again"
		wipe "${nodes[0]}"
		;;
	logs)
		[[ ${#nodes[@]} -eq 1 ]] || wrong_usage "logs takes one node"
		logs "${nodes[0]}"
		;;
	esac
}

parse_arguments "$@"
[[ ! -d $directory ]] || directory=$(cd "$directory" && pwd -P)
case $command in
up | down | status | clean)
	[[ ${#nodes[@]} -eq 0 ]] || wrong_usage "$command takes no node"
	[[ $command != down && $command != status ]] || need_config
	"$command"
	;;
add | remove)
	need_config
	"$command" "${nodes[@]}"
	;;
kill | stop | cont | restart | wipe | logs)
	need_config
	run_on_nodes
	;;
*) wrong_usage "there is no command '$command'" ;;
esac
