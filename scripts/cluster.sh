#!/usr/bin/env bash
# Runs a Synod cluster on this machine.
#
#   scripts/cluster.sh up [OPTION]...   start it, or what of it does not run; returns when it serves
#       --masters N       shard masters (default 3)
#       --groups N        groups of the key-value store (default 2)
#       --replicas N      replicas of each group (default 3)
#       --base-port P     node number i listens on P+i, its HTTP endpoint on P+1000+i (default 7000)
#       --engine memory   where groups keep their keys
#       --set NAME=VALUE  a line of the configuration's [cluster], such as shards=1024; may be repeated
#       --timeout S       how long to wait until it serves (default 60)
#   scripts/cluster.sh status           processes, and what the nodes say
#   scripts/cluster.sh kill NODE...     kill -9
#   scripts/cluster.sh stop NODE...     pause (SIGSTOP)
#   scripts/cluster.sh cont NODE...     go on (SIGCONT)
#   scripts/cluster.sh restart NODE...  end it if it runs, and start it
#   scripts/cluster.sh logs NODE [-f]   its log; -f goes on with what comes
#   scripts/cluster.sh down             stop all nodes
#   scripts/cluster.sh clean            stop all nodes and remove their data
#
# All take --dir DIR (default ./run). DIR/cluster.conf is written by the first `up`; later ones start what it
# describes, also after it was edited. DIR/NODE/ holds the node's data, its log and its pid.
# Nodes are named m1 m2 ... and g1a g1b ... g2a ...; all listen on 127.0.0.1.
#
# The programs are those of $SYNOD_BIN, or of build/bin. Exit codes: 0 done, 1 failed, 64 usage.
set -euo pipefail

readonly NODES_MAX=999 REPLICAS_MAX=7
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
programs=${SYNOD_BIN:-$repository/build/bin}
directory=./run

usage() {
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
}

say() {
	echo "cluster: $*"
}

complain() {
	echo "cluster: $*" >&2
}

die() {
	complain "$@"
	exit 1
}

wrong_usage() {
	complain "$@"
	complain "'$0 --help' says more"
	exit 64
}

# --- The configuration ---

names=()
declare -A role_of group_of listen_of http_of

config_file() {
	echo "$directory/cluster.conf"
}

# Reads the nodes of cluster.conf into the arrays above. What is wrong with the file, the daemons say better.
load_config() {
	local line key value node=''
	names=()
	while IFS= read -r line || [[ -n $line ]]; do
		line=${line%%[;#]*}
		if [[ $line =~ ^[[:space:]]*\[[[:space:]]*node[[:space:]]+([A-Za-z0-9._-]+)[[:space:]]*\] ]]; then
			node=${BASH_REMATCH[1]}
			names+=("$node")
			role_of[$node]='' group_of[$node]=0 listen_of[$node]='' http_of[$node]=''
		elif [[ $line =~ ^[[:space:]]*\[ ]]; then
			node=''
		elif [[ -n $node && $line =~ ^[[:space:]]*([a-z_]+)[[:space:]]*[=:][[:space:]]*([^[:space:]]+) ]]; then
			key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
			case $key in
			role) role_of[$node]=$value ;;
			group) group_of[$node]=$value ;;
			listen) listen_of[$node]=$value ;;
			http) http_of[$node]=$value ;;
			esac
		fi
	done <"$(config_file)"
	[[ ${#names[@]} -gt 0 ]] || die "$(config_file) describes no node"
}

need_config() {
	[[ -f $(config_file) ]] || die "there is no cluster in $directory: '$0 up --dir $directory' makes one"
	load_config
}

# The group numbers, in ascending order.
groups() {
	local node
	for node in "${names[@]}"; do
		[[ ${role_of[$node]} != shardkv ]] || echo "${group_of[$node]}"
	done | sort -nu
}

# The addresses of a group's members, separated by commas: members GROUP
members() {
	local node list=''
	for node in "${names[@]}"; do
		[[ ${role_of[$node]} != shardkv || ${group_of[$node]} != "$1" ]] || list+=,${listen_of[$node]}
	done
	echo "${list#,}"
}

# How many nodes have that role and group: count_nodes ROLE [GROUP]
count_nodes() {
	local node count=0
	for node in "${names[@]}"; do
		if [[ ${role_of[$node]} == "$1" && ${group_of[$node]} == "${2:-0}" ]]; then
			count=$((count + 1))
		fi
	done
	echo "$count"
}

# One section: write_node NAME ROLE GROUP NUMBER
write_node() {
	printf '\n[node %s]\nrole = %s\n' "$1" "$2"
	[[ $3 -eq 0 ]] || printf 'group = %s\n' "$3"
	printf 'listen = 127.0.0.1:%d\nhttp = 127.0.0.1:%d\ndir = %s\n' \
		$((base_port + $4)) $((base_port + 1000 + $4)) "$directory/$1"
}

write_config() {
	local group replica number=0 setting letters=abcdefg
	{
		printf '[cluster]\nname = demo\n'
		for setting in "${settings[@]}"; do
			printf '%s = %s\n' "${setting%%=*}" "${setting#*=}"
		done
		for ((replica = 1; replica <= masters; replica++)); do
			write_node "m$replica" shardmaster 0 $((++number))
		done
		for ((group = 1; group <= ngroups; group++)); do
			for ((replica = 0; replica < replicas; replica++)); do
				write_node "g$group${letters:replica:1}" shardkv "$group" $((++number))
			done
		done
	} >"$(config_file).new"
	mv "$(config_file).new" "$(config_file)"
}

# --- Processes ---

program_of() {
	case ${role_of[$1]} in
	shardmaster) echo "$programs/shardmasterd" ;;
	shardkv) echo "$programs/shardkvd" ;;
	*) die "[node $1] has role = ${role_of[$1]}, for which there is no program in this version" ;;
	esac
}

# Prints the process id of a node that runs; fails otherwise. A number that now belongs to something else does not count.
pid_of() {
	local pid arguments
	{ read -r pid <"$directory/$1/pid"; } 2>/dev/null || return 1
	[[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
	{ mapfile -t -d '' arguments <"/proc/$pid/cmdline"; } 2>/dev/null || return 1
	[[ ${#arguments[@]} -ge 5 && ${arguments[0]##*/} == shard*d && ${arguments[1]} == --config &&
		${arguments[2]} == "$(config_file)" && ${arguments[3]} == --node && ${arguments[4]} == "$1" ]] || return 1
	echo "$pid"
}

# running | paused | down
state_of() {
	local pid state
	pid=$(pid_of "$1") || {
		echo down
		return
	}
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null || true)
	case $state in
	T | t) echo paused ;;
	Z | X | '') echo down ;;
	*) echo running ;;
	esac
}

# Waits until a node is in one of the given states: wait_state NODE SECONDS STATE...
wait_state() {
	local node=$1 deadline=$((SECONDS + $2)) state
	shift 2
	while :; do
		state=$(state_of "$node")
		[[ " $* " != *" $state "* ]] || return 0
		[[ $SECONDS -lt $deadline ]] || return 1
		sleep 0.05
	done
}

last_lines() {
	echo "--- the end of $directory/$1/log" >&2
	tail -n 15 "$directory/$1/log" >&2 || true
	echo "---" >&2
}

start_node() {
	local node=$1 program pid
	program=$(program_of "$node")
	mkdir -p "$directory/$node" || die "cannot make $directory/$node"
	setsid nohup "$program" --config "$(config_file)" --node "$node" </dev/null >>"$directory/$node/log" 2>&1 9>&- &
	pid=$!
	disown "$pid"
	echo "$pid" >"$directory/$node/pid"
	# Until the program has been loaded, the process is still a copy of this shell.
	until pid_of "$node" >/dev/null; do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.01
	done
}

# SIGTERM to all given nodes that run, then SIGKILL to those that do not end.
end_nodes() {
	local node pid ending=()
	for node in "$@"; do
		if pid=$(pid_of "$node"); then
			ending+=("$node")
			kill -TERM "$pid" 2>/dev/null || true
			kill -CONT "$pid" 2>/dev/null || true # a paused process would not see the first signal
		fi
	done
	for node in "${ending[@]}"; do
		wait_state "$node" 15 down || {
			complain "$node does not stop, killing it"
			kill_node "$node"
		}
		rm -f "$directory/$node/pid"
	done
}

kill_node() {
	local pid
	pid=$(pid_of "$1") || return 0
	kill -KILL "$pid" 2>/dev/null || true
	wait_state "$1" 15 down || die "$1 (process $pid) does not end"
	rm -f "$directory/$1/pid"
}

# --- up ---

kvctl() {
	"$programs/kvctl" --config "$(config_file)" --timeout 5s "$@"
}

check_programs() {
	local program
	for program in shardmasterd shardkvd kvctl; do
		[[ -x $programs/$program ]] || die "there is no program $programs/$program: run 'make' in $repository first"
	done
}

# Something accepts connections at HOST:PORT.
in_use() {
	(exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null
}

check_ports() {
	local node address
	for node in "$@"; do
		for address in "${listen_of[$node]}" "${http_of[$node]}"; do
			if [[ -n $address ]] && in_use "$address"; then
				die "$address, which is for $node, is in use by another process: stop that, or choose" \
					"other ports with --base-port (and another --dir)"
			fi
		done
	done
}

# Options that were given must agree with the cluster that is there.
check_agreement() {
	local group first=${names[0]} differs=''
	if [[ -n $given_masters && $(count_nodes shardmaster) -ne $masters ]]; then
		differs="$(count_nodes shardmaster) shard masters"
	elif [[ -n $given_groups && $(groups | wc -l) -ne $ngroups ]]; then
		differs="$(groups | wc -l) groups"
	elif [[ -n $given_base_port && ${listen_of[$first]##*:} -ne $((base_port + 1)) ]]; then
		differs="its first node at port ${listen_of[$first]##*:}"
	elif [[ ${#settings[@]} -gt 0 ]]; then
		differs="its settings in $(config_file)"
	fi
	if [[ -n $given_replicas ]]; then
		for group in $(groups); do
			[[ $(count_nodes shardkv "$group") -eq $replicas ]] ||
				differs="$(count_nodes shardkv "$group") replicas in group $group"
		done
	fi
	[[ -z $differs ]] || die "the cluster in $directory has $differs: '$0 clean --dir $directory' removes it," \
		"--dir makes another one"
}

# Ends this `up` without leaving anything behind that it started.
give_up() {
	complain "$@"
	[[ ${#started[@]} -eq 0 ]] || end_nodes "${started[@]}"
	exit 1
}

# Gives up if a node that should run has ended.
check_alive() {
	local node
	for node in "${names[@]}"; do
		if ! pid_of "$node" >/dev/null; then
			last_lines "$node"
			give_up "$node did not start"
		fi
	done
}

# One line for each node that answers, "ROLE GROUP LEADER CONFIG", out of kvctl's JSON.
answers() {
	kvctl status -o json 2>/dev/null | tr -d ' \n\t' | sed 's/{"name"/\n{"name"/g' |
		sed -nE '/"up":true/{
			s/"leader":true/"is":1/
			h;s/.*"role":"([a-z]*)".*/\1/;x;G
			h;s/.*"group":([0-9]+).*/\1/;t group
			s/.*/0/
			:group
			x;G;p}' || true
}

serving() {
	:
}
