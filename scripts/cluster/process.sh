# The processes of the nodes: finding, starting, ending.
#
# A node runs if the process in DIR/NODE/pid has the command line of that node of this cluster, and
# was started when DIR/NODE/started says (the kernel's own count, which no other process with that
# number shares). Only such a process is ever signalled.
# sourced by scripts/cluster.sh, whose variables these are
# shellcheck shell=bash disable=SC2034,SC2154

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

# Prints the process id of a node that runs; fails otherwise. A number that now belongs to something
# else does not count.
pid_of() {
	local pid arguments started_pid started_at
	{ read -r pid <"$directory/$1/pid"; } 2>/dev/null || return 1
	[[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
	{ mapfile -t -d '' arguments <"/proc/$pid/cmdline"; } 2>/dev/null || return 1
	[[ ${#arguments[@]} -ge 5 && ${arguments[0]##*/} == @(*d|viewserver|pbserver) &&
		${arguments[1]} == --config &&
		${arguments[2]} == "$(config_file)" && ${arguments[3]} == --node &&
		${arguments[4]} == "$1" ]] || return 1
	# Of a node that an older version has started, only that is known.
	if { read -r started_pid started_at <"$directory/$1/started"; } 2>/dev/null; then
		[[ $started_pid == "$pid" && $started_at == "$(start_of "$pid")" ]] || return 1
	fi
	echo "$pid"
}

# When a process was started, in the kernel's ticks, and in which life of the machine.
start_of() {
	local stat fields boot=''
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || true
	# Behind the program's name, which may have spaces and parentheses, it is the 20th field.
	read -ra fields <<<"${stat##*) }"
	echo "${fields[19]}@$boot"
}

# Notes the process of a node: note_process NODE PID
note_process() {
	echo "$2" >"$directory/$1/pid"
	echo "$2 $(start_of "$2")" >"$directory/$1/started"
}

# A node whose start was interrupted at the wrong moment runs without that anybody has noted it. In
# a container there may be a cluster with the same path, whose processes are seen here too: that has
# another cluster.conf.
note_strays() {
	local file pid arguments node
	while read -r file; do
		{ mapfile -t -d '' arguments <"$file"; } 2>/dev/null || continue
		pid=${file#/proc/} pid=${pid%%/*} node=${arguments[4]:-}
		if [[ ${#arguments[@]} -ge 5 && ${arguments[0]##*/} == @(*d|viewserver|pbserver) &&
			${arguments[1]} == --config &&
			${arguments[2]} == "$(config_file)" && ${arguments[3]} == --node &&
			" ${names[*]} " == *" $node "* &&
			/proc/$pid/root$(config_file) -ef $(config_file) ]] &&
			! pid_of "$node" >/dev/null; then
			mkdir -p "$directory/$node" && note_process "$node" "$pid"
		fi
	done < <(grep -lFz -- "$(config_file)" /proc/[0-9]*/cmdline 2>/dev/null)
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

# A process that is ending has lost its command line before it lets go of its files and locks: until
# it is a zombie, or gone, its directory is in use. A zombie may have threads that end after it, and
# have its files and ports until then. ended PID START, with START as start_of printed it while it
# ran.
ended() {
	local state threads
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || true)
	threads=("/proc/$1/task"/*)
	[[ ($state == @(Z|X|) && ${#threads[@]} -le 1) || $(start_of "$1") != "$2" ]]
}

# await_end SECONDS PID START
await_end() {
	local deadline=$((SECONDS + $1))
	until ended "$2" "$3"; do
		[[ $SECONDS -lt $deadline ]] || return 1
		sleep 0.02
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
	mkdir -p "$directory/$node" || give_up "cannot make $directory/$node"
	setsid nohup "$program" --config "$(config_file)" --node "$node" </dev/null \
		>>"$directory/$node/log" 2>&1 8>&- 9>&- &
	pid=$!
	disown "$pid"
	note_process "$node" "$pid"
	# Until the program has been loaded, the process is still a copy of this shell.
	until pid_of "$node" >/dev/null; do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.01
	done
}

# SIGTERM to all given nodes that run, then SIGKILL to those that do not end.
end_nodes() {
	local node pid
	local -A pids=() starts=()
	for node in "$@"; do
		if pid=$(pid_of "$node"); then
			pids[$node]=$pid starts[$node]=$(start_of "$pid")
			kill -TERM "$pid" 2>/dev/null || true
			# a paused process would not see the first signal
			kill -CONT "$pid" 2>/dev/null || true
		fi
	done
	for node in "${!pids[@]}"; do
		await_end 15 "${pids[$node]}" "${starts[$node]}" || {
			complain "$node does not stop, killing it"
			kill_nodes "$node"
		}
		rm -f "$directory/$node/pid" "$directory/$node/started"
	done
}

# SIGKILL to all given nodes that run, all at once. Returns when their directories are free.
kill_nodes() {
	local node pid
	local -A pids=() starts=()
	for node in "$@"; do
		if pid=$(pid_of "$node"); then
			pids[$node]=$pid starts[$node]=$(start_of "$pid")
			kill -KILL "$pid" 2>/dev/null || true
		fi
	done
	for node in "$@"; do
		[[ -z ${pids[$node]-} ]] || await_end 15 "${pids[$node]}" "${starts[$node]}" ||
			die "$node does not end"
		rm -f "$directory/$node/pid" "$directory/$node/started"
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
