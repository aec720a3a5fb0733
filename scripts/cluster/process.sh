# The processes of the nodes: finding, starting, ending.
#
# A node runs if the process in DIR/NODE/pid has the command line of that node of this cluster. Only such a process is
# ever signalled.
# shellcheck shell=bash disable=SC2034,SC2154 # sourced by scripts/cluster.sh, whose variables these are

program_of() {
	case ${role_of[$1]} in
	shardmaster) echo "$programs/shardmasterd" ;;
	shardkv) echo "$programs/shardkvd" ;;
	viewserver) echo "$programs/viewserver" ;;
	pbserver) echo "$programs/pbserver" ;;
	paxos) echo "$programs/paxosd" ;;
	*) die "[node $1] has role = ${role_of[$1]}, for which there is no program in this version" ;;
	esac
}

# Prints the process id of a node that runs; fails otherwise. A number that now belongs to something else does not count.
pid_of() {
	local pid arguments
	{ read -r pid <"$directory/$1/pid"; } 2>/dev/null || return 1
	[[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
	{ mapfile -t -d '' arguments <"/proc/$pid/cmdline"; } 2>/dev/null || return 1
	[[ ${#arguments[@]} -ge 5 && ${arguments[0]##*/} == @(*d|viewserver|pbserver) && ${arguments[1]} == --config &&
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
			kill_nodes "$node"
		}
		rm -f "$directory/$node/pid"
	done
}

# SIGKILL to all given nodes that run, all at once.
kill_nodes() {
	local node pid
	for node in "$@"; do
		! pid=$(pid_of "$node") || kill -KILL "$pid" 2>/dev/null || true
	done
	for node in "$@"; do
		wait_state "$node" 15 down || die "$node does not end"
		rm -f "$directory/$node/pid"
	done
}

# signal_node NODE SIGNAL STATE: returns when the node is in that state.
signal_node() {
	local pid
	pid=$(pid_of "$1") || die "$1 does not run"
	if ! kill "-$2" "$pid" || ! wait_state "$1" 15 "$3"; then
		die "$1 (process $pid) does not react to SIG$2"
	fi
}
