# Starting a cluster, and waiting until it serves.
# sourced by scripts/cluster.sh, whose variables these are
# shellcheck shell=bash disable=SC2034,SC2154

kvctl() {
	"$programs/kvctl" --config "$(config_file)" --timeout 5s "$@"
}

check_programs() {
	local program
	for program in shardmasterd shardkvd viewserver pbserver paxosd kvctl; do
		[[ -x $programs/$program ]] ||
			die "there is no program $programs/$program: run 'make' in $repository first"
	done
}

# Options that were given must agree with the cluster that is there. Says all that differs.
check_agreement() {
	local group first=${names[0]} setting name differs=()
	# agree GIVEN THERE WANTED WORD
	agree() {
		[[ -z $1 || $2 -eq $3 ]] || differs+=("$(some "$2" "$4" || echo "no $4s"), not $3")
	}
	agree "$given_masters" "$(count_nodes shardmaster)" "$masters" "shard master"
	agree "$given_groups" "$(group_numbers | wc -l)" "$ngroups" group
	agree "$given_views" "$(count_nodes viewserver)" "$views" viewserver
	agree "$given_pbs" "$(count_nodes pbserver)" "$pbs" "primary/backup server"
	agree "$given_paxosds" "$(count_nodes paxos)" "$paxosds" paxosd
	if [[ -n $given_replicas ]]; then
		for group in $(group_numbers); do
			[[ $(count_nodes shardkv "$group") -eq $replicas ]] ||
				differs+=("$(some "$(count_nodes shardkv "$group")" \
				replica) in group $group, not $replicas")
		done
	fi
	if [[ -n $given_base_port && ${listen_of[$first]##*:} -ne $((base_port + 1)) ]]; then
		differs+=("base port $((${listen_of[$first]##*:} - 1)), not $base_port")
	fi
	for setting in "${settings[@]}"; do
		name=${setting%%=*}
		if [[ -z ${setting_of[$name]:-} ]]; then
			differs+=("no $name in $(config_file), where --set wants ${setting#*=}")
		elif [[ ${setting_of[$name]} != "${setting#*=}" ]]; then
			differs+=("$name = ${setting_of[$name]}, not ${setting#*=}")
		fi
	done
	[[ ${#differs[@]} -eq 0 ]] ||
		die "the cluster in $directory has $(join_with '; ' "${differs[@]}")." \
		"$(how up) without these options starts it as it is, $(how \
		clean) removes it and its data," \
		"--dir makes another one"
}

# join_with SEPARATOR WORD...
join_with() {
	local separator=$1 text=$2
	shift 2
	[[ $# -eq 0 ]] || text+=$(printf "%s" "${@/#/$separator}")
	echo "$text"
}

# The nodes' data must be here: cluster.conf of a directory that was copied or moved still names the
# old place, and the nodes would use another cluster's data, or begin without any.
check_directories() {
	local node place
	for node in "${names[@]}"; do
		place=${dir_of[$node]}
		[[ -n $place && $place == /* && ! $place -ef $directory/$node &&
			$place != "$directory/$node" ]] || continue
		if [[ ${place##*/} == "$node" && -f ${place%/*}/cluster.conf ]]; then
			die "$(config_file) says dir = $place for $node, which is the data of the cluster in ${place%/*}:" \
				"$directory seems to be a copy of that. $me up --dir ${place%/*} starts that one; if the copy is meant," \
				"correct each dir (and the ports) in $(config_file)"
		elif [[ -e $directory/$node/identity ]]; then
			die "$(config_file) says dir = $place for $node, but there is data in $directory/$node: was the directory" \
				"moved? Move it back, or correct each dir in $(config_file)"
		fi
	done
}

# Ends what this `up` has started. A cluster that has never served does not stay either, lest its
# configuration, with ports that others may have by then, decide about the next start: it is put
# aside.
undo() {
	[[ ${#started[@]} -eq 0 ]] || end_nodes "${started[@]}"
	[[ ! -e $directory/starting ]] || put_aside
}

# Ends this command; an `up` leaves nothing behind that it started (see unwind).
give_up() {
	complain "$@"
	exit 1
}

# What a start left that did not come to its end: nothing was served, so nothing is missed. It is
# kept in DIR/failed, for those who look for the reason, until the next one or `clean`.
put_aside() {
	local node failed=$directory/failed
	rm -rf "$failed"
	if [[ -f $(config_file) ]]; then
		mkdir "$failed"
		load_config
		for node in "${names[@]}"; do
			[[ ! -d $directory/$node ]] || mv "$directory/$node" "$failed"
		done
		mv "$(config_file)" "$failed"
		complain "what it wrote, with the logs, is in $failed; the next 'up' begins anew"
	fi
	rm -f "$directory/joined" "$directory/starting" "$(config_file).new"
}

# However an `up` ends that has not come to its end.
unwind() {
	trap '' INT TERM HUP
	exec 2>&8
	undo
	leave_no_trace
}

# A directory without a cluster needs no lock, and if it is empty no place.
leave_no_trace() {
	if [[ ! -f $(config_file) ]]; then
		rm -f "$directory/lock"
		rmdir "$directory" 2>/dev/null || true
	fi
}

# Ctrl-C, SIGTERM or SIGHUP while it starts. A node is either started and noted, or not.
interrupted() {
	interrupted=yes
	[[ $in_start == no ]] || return 0
	trap '' INT TERM HUP
	exec 2>&8 # it may have been turned elsewhere just now
	if [[ ${#started[@]} -gt 0 ]]; then
		complain "interrupted: stopping what was started (${started[*]})"
	else
		complain "interrupted: nothing was started"
	fi
	exit 130
}

start_all() {
	local node
	say "starting $* in $directory"
	for node in "$@"; do
		in_start=yes
		started+=("$node")
		start_node "$node"
		in_start=no
		[[ $interrupted == no ]] || interrupted
	done
}

# The start before was killed: its nodes may run, and nobody was told that they serve.
end_unfinished() {
	[[ -e $directory/starting ]] || return 0
	say "the last start in $directory was broken off: beginning anew"
	if [[ -f $(config_file) ]]; then
		load_config
		note_strays
		end_nodes "${names[@]}"
	fi
	put_aside
}

# Gives up if a node that should run has ended. In a cluster that has served before, the others may
# do without it.
check_alive() {
	local node
	for node in "${names[@]}"; do
		if [[ " ${ended[*]} " != *" $node "* ]] && ! pid_of "$node" >/dev/null; then
			last_lines "$node"
			ended+=("$node")
			[[ ! -e $directory/starting && ${#ended[@]} -lt ${#names[@]} ]] ||
				give_up "$node did not start"
			complain "$node did not start; waiting for the others"
		fi
	done
}

# What the nodes that answer say of themselves: one line of JSON for each.
answers() {
	kvctl status -o json 2>/dev/null | tr -d ' \t\n' | sed 's/{"name"/\n&/g' |
		grep '"up":true' || true
}

# The newest configuration as JSON; fails when the shard masters do not serve.
newest_config() {
	kvctl config -o json 2>/dev/null | tr -d ' \t\n' | grep '"config":'
}

# What is still missing for the cluster to have leaders everywhere; nothing if they are there:
# missing_leaders ANSWERS
missing_leaders() {
	local leaders group
	leaders=$(grep '"leader":true' <<<"$1" || true)
	grep -q '"role":"shardmaster"' <<<"$leaders" || echo "a leader of the shard masters"
	if [[ $(count_nodes paxos) -gt 0 ]]; then
		grep -q '"role":"paxos"' <<<"$leaders" || echo "a leader of the paxosds"
	fi
	for group in $(group_numbers); do
		grep -qE "\"group\":${group}[,}]" <<<"$leaders" || echo "a leader of group $group"
	done
}

# The primary/backup servers keep their store in memory. If all of them were down, nobody holds what
# the present view is about, and it is given up here; otherwise that is for people to decide (kvctl
# view reset).
missing_primary() {
	local node
	[[ $(count_nodes viewserver) -gt 0 ]] || return 0
	if ! grep '"leader":true' <<<"$1" | grep -q '"role":"viewserver"'; then
		echo "a leader of the view service"
	elif [[ $(count_nodes pbserver) -gt 0 ]] && ! grep '"leader":true' <<<"$1" |
		grep -q '"role":"pbserver"'; then
		echo "a primary"
		for node in "${names[@]}"; do
			[[ ${role_of[$node]} != pbserver || " ${started[*]} " == *" $node "* ]] ||
				return 0
		done
		kvctl view reset >/dev/null 2>&1 || true
	fi
}

# The groups whose leaders have not yet adopted a configuration: missing_groups ANSWERS NUMBER
missing_groups() {
	local group config
	for group in $(group_numbers); do
		config=$(grep '"leader":true' <<<"$1" | grep -E "\"group\":${group}[,}]" |
			sed -nE 's/.*"config":([0-9]+).*/\1/p' | sort -n | tail -n 1 || true)
		[[ ${config:-0} -ge $2 ]] || echo "group $group to adopt configuration $2"
	done
}

# In a new cluster the groups join in the order of their numbers: join_groups CONFIG
join_groups() {
	local group
	for group in $(group_numbers); do
		if ! grep -qE "\"gid\":${group}[,}]" <<<"$1"; then
			kvctl join "$group" "$(members "$group")" >/dev/null || return 1
		fi
	done
	# From now on it is for people to say which groups there are.
	touch "$directory/joined"
}

# What is missing for the cluster to serve. Every step asks for a condition.
missing_for_service() {
	local nodes missing config error
	nodes=$(answers)
	missing=$(missing_leaders "$nodes" && missing_primary "$nodes")
	if [[ -n $missing ]]; then
		echo "$missing"
	elif ! config=$(newest_config); then
		echo "the shard masters"
	elif [[ ! -e $directory/joined ]]; then
		error=$(join_groups "$config" 2>&1) || true
		echo "the groups to join${error:+ ($error)}"
	else
		missing_groups "$nodes" "$(sed -E 's/.*"config":([0-9]+).*/\1/' <<<"$config")"
	fi
}

wait_serving() {
	local deadline=$((SECONDS + up_timeout)) missing
	while :; do
		check_alive
		missing=$(exec 9>&- && missing_for_service) || missing="an answer"
		[[ -n $missing ]] || return 0
		if [[ $SECONDS -ge $deadline ]]; then
			give_up "does not serve after $up_timeout s, waiting for ${missing//$'\n'/, }; see $directory/*/log"
		fi
		sleep 0.1
	done
}

# some NUMBER WORD: "1 WORD" or "N WORDs"; for 0 it says nothing and fails
some() {
	[[ $1 -gt 0 ]] && echo "$1 $2$([[ $1 -eq 1 ]] || echo s)"
}

what_runs() {
	{
		some "$(count_nodes shardmaster)" "shard master"
		some "$(group_numbers | wc -l)" group
		some "$(count_nodes viewserver)" viewserver
		some "$(count_nodes pbserver)" pbserver
		some "$(count_nodes paxos)" paxosd || true
	} | paste -sd , | sed 's/,/, /g'
}

# Takes the directory for this command alone. The file names the process that has it; a child of one
# that was killed may have it for a moment longer.
lock_directory() {
	local holder=''
	exec 9<>"$directory/lock"
	if ! flock -n 9; then
		{ read -r holder <"$directory/lock"; } 2>/dev/null || true
		holder=${holder:-unknown}
		if [[ ! -d /proc/$holder ]] && flock -w 10 9; then
			holder=''
		fi
	fi
	# `clean` removes the file; whoever opened it before that has locked nothing.
	if [[ -n $holder || ! $directory/lock -ef /proc/self/fd/9 ]]; then
		die "another '${0##*/}'${holder:+ (process $holder)} is at work in $directory: wait until it ends"
	fi
	echo $$ >"$directory/lock"
}

prepare_directory() {
	mkdir -p "$directory" 2>/dev/null || die "cannot make the directory $directory"
	directory=$(cd "$directory" && pwd -P)
	[[ $directory != *[\;#$'\n']* ]] ||
		die "the path $directory has a character that cluster.conf does not allow"
	[[ -w $directory ]] || die "the directory $directory is not writable"
	lock_directory
}

# Writes the configuration of a new cluster, if its ports are free; otherwise leaves nothing.
make_cluster() {
	local draft=$directory/cluster.conf.draft
	write_config "$draft"
	load_config "$draft"
	rm -f "$draft"
	check_ports "${names[@]}"
	warn_of_ephemeral_ports
	touch "$directory/starting"
	write_config
	load_config
}

up() {
	local node absent=() ended=()
	check_programs
	prepare_directory
	exec 8>&2
	trap interrupted INT TERM HUP
	trap unwind EXIT
	end_unfinished
	if [[ -f $(config_file) ]]; then
		new=no
		load_config
		note_strays
		check_agreement
		check_directories
	else
		new=yes
		make_cluster
	fi
	for node in "${names[@]}"; do
		case $(state_of "$node") in
		down) absent+=("$node") ;;
		paused) say "$node is paused: $(how cont "$node") lets it go on" ;;
		esac
	done
	if [[ ${#absent[@]} -gt 0 ]]; then
		[[ $new == yes ]] || check_ports "${absent[@]}"
		start_all "${absent[@]}"
	fi
	wait_serving
	trap - EXIT
	rm -rf "$directory/starting" "$directory/failed"
	write_id
	if [[ ${#ended[@]} -gt 0 ]]; then
		die "serving without ${ended[*]}: see what $directory/${ended[0]}/log says"
	elif [[ ${#absent[@]} -eq 0 ]]; then
		say "already running in $directory"
	else
		say "serving: $(what_runs); see $(config_file)"
	fi
}
