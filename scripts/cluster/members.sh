# Disks that are lost, and members that come and go.
# sourced by scripts/cluster.sh, whose variables these are
# shellcheck shell=bash disable=SC2034,SC2154

# The text of a field in a line of JSON as answers() prints it, without the blanks: field LINE NAME
field() {
	sed -nE "s/.*\"$2\":\"?([^\",}]*).*/\1/p" <<<"$1"
}

# What a node says of itself; nothing if it does not answer: answer_of NODE [ANSWERS]
answer_of() {
	{ if [[ $# -ge 2 ]]; then cat <<<"$2"; else answers; fi; } | grep -F "\"name\":\"$1\"" |
		head -n 1 || true
}

# The members of a node's group, itself among them, by cluster.conf.
group_of_node() {
	local node
	for node in "${names[@]}"; do
		if [[ ${role_of[$node]} == "${role_of[$1]}" &&
			${group_of[$node]} == "${group_of[$1]}" ]]; then
			echo "$node"
		fi
	done
}

# What the group of a node is called.
group_name() {
	case ${role_of[$1]} in
	shardkv) echo "group ${group_of[$1]}" ;;
	shardmaster) echo "the shard masters" ;;
	viewserver) echo "the view service" ;;
	pbserver) echo "the primary/backup servers" ;;
	paxos) echo "the paxosds" ;;
	esac
}

# Why a node cannot be counted on; nothing if it can: weakness NODE ANSWERS
weakness() {
	local answer health
	case $(state_of "$1") in
	down | paused)
		state_of "$1"
		return
		;;
	esac
	answer=$(answer_of "$1" "$2")
	health=$(field "$answer" health)
	case $health in
	'') echo "does not answer" ;;
	ok | notjoined) ;;
	doesnotvote*) echo "does not vote" ;;
	joining | learner | removed) echo "has no part" ;; # in any majority
	noleader) echo "has no leader" ;;
	*) echo "$health" ;;
	esac
}

# Fails if the group of NODE could do nothing without it, and puts into `missing` who else it lacks:
# spares NODE. Returns 2 if it lacks no more than a leader.
spares() {
	local node others=0 leaderless=0 members=0 nodes why
	missing=''
	nodes=$(answers)
	while read -r node; do
		why=$(weakness "$node" "$nodes")
		if [[ $why == "has no part" ]]; then
			[[ $node != "$1" ]] || return 0
			continue
		fi
		members=$((members + 1))
		[[ $node != "$1" ]] || continue
		if [[ -z $why ]]; then
			others=$((others + 1))
		else
			missing+="${missing:+, }$node ($why)"
			[[ $why != "has no leader" ]] || leaderless=$((leaderless + 1))
		fi
	done < <(group_of_node "$1")
	# One of two servers has all that there is: whoever is primary, or its backup.
	if [[ ${role_of[$1]} == pbserver ]]; then
		[[ $others -ge 1 ]]
	elif [[ $((2 * others)) -le $members ]]; then
		[[ $((2 * (others + leaderless))) -le $members ]] || return 2
		return 1
	fi
}

# The same, but a group whose leader has just died is given the time to elect another.
comes_to_spare() {
	local deadline=$((SECONDS + 10)) code
	while :; do
		code=0
		spares "$1" || code=$?
		[[ $code -eq 2 && $SECONDS -lt $deadline ]] || return "$code"
		sleep 0.1
	done
}

# Where the data of a node are.
data_of() {
	local place=${dir_of[$1]:-$directory/$1}
	if [[ $place == "$directory/$1" || $place -ef $directory/$1 ]]; then
		echo "$directory/$1"
	elif [[ ! -e $place ]] || grep -qsx "node = $1" "$place/identity"; then
		echo "$place"
	else
		die "$(config_file) says dir = $place for $1, and what is there is not known to be of $1: correct it"
	fi
}

# What a lost disk takes along. What the daemon has printed is for people, and stays.
remove_data() {
	local place
	place=$(data_of "$1")
	[[ ! -d $place ]] || find "$place" -mindepth 1 -maxdepth 1 ! -name log ! -name pid ! -name \
		started -exec rm -rf {} +
}

# Says how far a node has come that has begun with an empty directory, and returns when it counts
# again. It has nothing before its peers have told it that its directory was lost; from then on it
# says itself that it does not vote.
await_member() {
	local node=$1 deadline=$((SECONDS + up_timeout)) answer applied chosen phase said='' \
		told=$SECONDS
	while :; do
		pid_of "$node" >/dev/null || {
			last_lines "$node"
			die "$node has ended by itself"
		}
		answer=$(answer_of "$node")
		applied=$(field "$answer" applied) chosen=$(field "$answer" chosen)
		case $(field "$answer" state):$(field "$answer" health) in
		: | recovering:* | *:noleader) phase="waits for its group" ;;
		lost:*)
			phase="has no vote yet"
			[[ ${chosen:-0} -eq 0 ]] ||
				phase+=", and catches up: $applied of $chosen slots"
			;;
		*:ok | *:notjoined) if [[ ${applied:-0} -gt 0 ||
			${role_of[$node]} == pbserver ]]; then return; fi ;;
		*) phase="catches up: ${applied:-0} of ${chosen:-0} slots" ;;
		esac
		# At once what is new, and every two seconds how it goes on.
		if [[ -n ${phase:-} && $phase != "$said" && (${phase%%[:,]*} != "${said%%[:,]*}" ||
			$((SECONDS - told)) -ge 2) ]]; then
			say "$node $phase"
			said=$phase told=$SECONDS
		fi
		[[ $SECONDS -lt $deadline ]] ||
			die "$node ${phase:-does not answer} after $up_timeout s, and goes on with that:" \
			"$(how status) shows how far it is"
		sleep 0.1
	done
}

# The disk of a node is lost: it begins again with an empty directory, and its group takes it in.
wipe() {
	local node=$1 missing='' alone=no
	check_programs
	lock_directory
	if ! comes_to_spare "$node"; then
		alone=yes
		[[ $force == yes ]] || die "$(group_name \
			"$node") cannot spare $node: it lacks ${missing:-any other member}." \
			"Without a majority it would do nothing, and what only $node holds would be lost." \
			"Start what is missing, or insist with --force"
	fi
	kill_nodes "$node"
	remove_data "$node"
	check_ports "$node"
	start_node "$node"
	await_listening "$node" || {
		last_lines "$node"
		die "$node did not start"
	}
	say "$node has lost its disk, and runs with an empty directory"
	if [[ $alone == yes && -n $missing ]]; then
		say "$node gets its vote back when $(group_name \
			"$node") has a majority without it; it lacks $missing"
	else
		await_member "$node"
		say "$node has everything, and votes again"
	fi
}

# --- members that come and go ---

# The kind of node that a name stands for: role_for NAME; fails if it stands for none.
role_for() {
	case $1 in
	g[0-9]*) [[ $1 =~ ^g[1-9][0-9]*[a-z]$ ]] && echo shardkv ;;
	m[0-9]*) [[ $1 =~ ^m[1-9][0-9]*$ ]] && echo shardmaster ;;
	v[0-9]*) [[ $1 =~ ^v[1-9][0-9]*$ ]] && echo viewserver ;;
	pb[0-9]*) [[ $1 =~ ^pb[1-9][0-9]*$ ]] && echo pbserver ;;
	*) return 1 ;;
	esac
}

# The number of the group that a word names as such, like g3; fails for others: group_named WORD
group_named() {
	[[ $1 =~ ^g([1-9][0-9]*)$ ]] && echo "${BASH_REMATCH[1]}"
}

# What kvctl member calls the group of a node: gid_of NODE
gid_of() {
	case ${role_of[$1]} in
	shardkv) echo "${group_of[$1]}" ;;
	shardmaster) echo masters ;;
	viewserver) echo views ;;
	esac
}

is_listed() {
	[[ " ${names[*]} " == *" $1 "* ]]
}

# Puts a changed cluster.conf, from stdin, in its place: as a whole, or not at all.
replace_config() {
	cp -p "$(config_file)" "$(config_file).new" && cat >"$(config_file).new" &&
		mv "$(config_file).new" "$(config_file)"
}

# The base port of this cluster's ports, by its first node.
base_port_of() {
	echo $((${listen_of[${names[0]}]##*:} - 1))
}

# A number that no node has, above all others, and whose ports are free.
free_number() {
	local node port number=0
	for node in "${names[@]}"; do
		port=${listen_of[$node]##*:}
		[[ $((port - base_port)) -le $number || $((port - base_port)) -gt $NODES_MAX ]] ||
			number=$((port - base_port))
	done
	for ((number++; number <= NODES_MAX; number++)); do
		if ! is_taken "$number"; then
			echo "$number"
			return
		fi
	done
	return 1
}

# The number of the ports that a node had when it was removed, if they are free: number_before NODE
number_before() {
	local port number
	port=$(sed -n "s/^$1 //p" "$directory/removed" 2>/dev/null | tail -n 1) &&
		[[ $port =~ ^[0-9]+$ ]] || return 1
	number=$((port - base_port))
	[[ $number -ge 1 && $number -le $NODES_MAX ]] && ! is_taken "$number" && echo "$number"
}

# A node has its ports, or another process: is_taken NUMBER
is_taken() {
	local node
	for node in "${names[@]}"; do
		[[ ${listen_of[$node]##*:} -ne $((base_port + $1)) ]] || return 0
	done
	in_use "127.0.0.1:$((base_port + $1))" || in_use "127.0.0.1:$((base_port + 1000 + $1))"
}

# Adds the section of a node that has none: list_node NAME ROLE GROUP
list_node() {
	local number
	base_port=$(base_port_of)
	number=$(number_before "$1" || free_number) ||
		die "there are no free ports above $base_port for $1"
	{
		cat "$(config_file)"
		write_node "$1" "$2" "$3" "$number"
	} | replace_config
	load_config
}

# Removes the sections of nodes. What is left of them is noted: their directories, and their ports.
# unlist NODE...
unlist() {
	local node
	for node in "$@"; do
		echo "$node ${listen_of[$node]##*:}" >>"$directory/removed"
	done
	awk -v nodes=" $* " '
		/^[[:space:]]*\[/ {
			name = $0
			sub(/^[[:space:]]*\[[[:space:]]*/, "", name)
			sub(/[[:space:]]*\].*/, "", name)
			out = sub(/^node[[:space:]]+/, "", name) && index(nodes, " " name " ") > 0
		}
		!out' "$(config_file)" | replace_config
	[[ ${#names[@]} -eq $# ]] || load_config
}

# A directory that a node of that name has left when it was removed cannot be used again: it is put
# aside.
put_removed_aside() {
	local number=1
	grep -qsx 'removed = yes' "$directory/$1/identity" || return 0
	while [[ -e $directory/$1.removed-$number ]]; do
		number=$((number + 1))
	done
	mv "$directory/$1" "$directory/$1.removed-$number"
	echo "$1.removed-$number" >>"$directory/removed"
	say "the directory of an earlier $1, which was removed, is now $directory/$1.removed-$number"
}

# Ends a node and takes it out of the configuration again: what `add` has begun in vain. forget
# NODE...
forget() {
	end_nodes "$@"
	unlist "$@"
}

# Starts nodes that do not run: start_absent NODE...
start_absent() {
	local node absent=()
	for node in "$@"; do
		pid_of "$node" >/dev/null || absent+=("$node")
	done
	[[ ${#absent[@]} -gt 0 ]] || return 0
	check_ports "${absent[@]}"
	for node in "${absent[@]}"; do
		put_removed_aside "$node"
		start_node "$node"
	done
	for node in "${absent[@]}"; do
		await_listening "$node" || {
			last_lines "$node"
			die "$node did not start"
		}
	done
}

# Why a change has not come to its end, by the exit code of kvctl: not_done CODE WORD...
not_done() {
	local code=$1
	shift
	[[ $code -ne 4 ]] || die "not done after $up_timeout s: the group goes on with it, and $(how "$@") waits for the rest"
	die "$(how "$@") goes on with it when that has been mended"
}

# kvctl member, which says how it goes on; gives up if a node that is needed for it ends:
# change_member NODE WORD...
change_member() {
	local node=$1 waiter code=0
	shift
	"$programs/kvctl" --config "$(config_file)" --timeout "${up_timeout}s" member "$@" \
		>/dev/null &
	waiter=$!
	# shellcheck disable=SC2064 # this one
	trap "kill $waiter 2>/dev/null; exit 130" INT TERM HUP
	while [[ -n $node ]] && kill -0 "$waiter" 2>/dev/null; do
		if ! pid_of "$node" >/dev/null; then
			kill "$waiter" 2>/dev/null || true
			last_lines "$node"
			die "$node has ended by itself; $(how add \
				"$node") goes on when that has been mended"
		fi
		sleep 0.05
	done
	wait "$waiter" || code=$?
	trap - INT TERM HUP
	return "$code"
}

# A member of a group that is there.
add_node() {
	local node=$1 role group=0 listed=yes code=0
	role=$(role_for "$node") ||
		wrong_usage "add takes a name like g1d, m4, v4 or pb3, or g3 for a whole group, not '$node'"
	[[ $role != shardkv || ! $node =~ ^g([0-9]+) ]] || group=${BASH_REMATCH[1]}
	[[ $(count_nodes "$role" "$group") -gt 0 ]] ||
		die "there is no $node to be added to: the cluster has no node of its kind" \
		"$([[ $role != shardkv ]] ||
		echo "in group $group; $(how add "g$group") adds the group")"
	if ! is_listed "$node"; then
		listed=no
		list_node "$node" "$role" "$group"
	fi
	[[ $role == "${role_of[$node]}" && $group == "${group_of[$node]}" ]] ||
		die "$(config_file) has a $node, which is a ${role_of[$node]} of group ${group_of[$node]}"
	start_absent "$node"
	if [[ $role != pbserver ]]; then
		change_member "$node" add "$(gid_of "$node")" "$node" || code=$?
		if [[ $code -eq 5 && $listed == no ]]; then
			forget "$node"
			exit 1
		fi
		[[ $code -eq 0 ]] || not_done "$code" add "$node"
	fi
	say "$node belongs to $(group_name "$node")"
}

# The newest configuration has that group: has_joined GROUP CONFIG
has_joined() {
	grep -qE "\"gid\":$1[,}]" <<<"$2"
}

# Waits until a group has a leader: await_leader GROUP
await_leader() {
	local deadline=$((SECONDS + up_timeout))
	until answers | grep '"leader":true' | grep -qE "\"group\":$1[,}]"; do
		[[ $SECONDS -lt $deadline ]] ||
			die "group $1 has no leader after $up_timeout s; see $directory/g$1*/log"
		sleep 0.1
	done
}

# Waits until the groups, but for one that leaves, have adopted a configuration: await_adopted
# NUMBER [GROUP]
await_adopted() {
	local deadline=$((SECONDS + up_timeout)) missing
	while missing=$(missing_groups "$(answers)" "$1" | { grep -v "^group ${2:-none} " ||
		true; }) && [[ -n $missing ]]; do
		[[ $SECONDS -lt $deadline ]] || die "waited $up_timeout s for ${missing//$'\n'/, }"
		sleep 0.1
	done
}

config_number() {
	sed -E 's/.*"config":([0-9]+).*/\1/' <<<"$1"
}

# A whole group, which joins the others.
add_group() {
	local group=$1 replica node nodes=() new_ones=() letters=abcdefg config code=0 error
	config=$(newest_config) || die "the shard masters do not answer"
	for node in "${names[@]}"; do
		[[ ${role_of[$node]} != shardkv || ${group_of[$node]} -ne $group ]] ||
			nodes+=("$node")
	done
	# An `add` that was interrupted while it wrote the sections.
	if ! has_joined "$group" "$config" && [[ ${#nodes[@]} -lt $replicas ]]; then
		for ((replica = 0; replica < replicas; replica++)); do
			node=g$group${letters:replica:1}
			if ! is_listed "$node"; then
				list_node "$node" shardkv "$group"
				new_ones+=("$node")
				nodes+=("$node")
			fi
		done
	fi
	say "starting ${nodes[*]} in $directory"
	start_absent "${nodes[@]}"
	await_leader "$group"
	if ! has_joined "$group" "$config"; then
		error=$(kvctl join "$group" "$(members "$group")" 2>&1 >/dev/null) || code=$?
		if [[ $code -ne 0 ]] && ! { config=$(newest_config) &&
			has_joined "$group" "$config"; }; then
			complain "group $group cannot join: $error"
			[[ $code -eq 5 && ${#new_ones[@]} -gt 0 ]] || not_done "$code" add "g$group"
			forget "${nodes[@]}"
			for node in "${new_ones[@]}"; do rm -rf "${directory:?}/$node"; done
			exit 1
		fi
		config=$(newest_config) || die "the shard masters do not answer"
	fi
	await_adopted "$(config_number "$config")"
	say "group $group serves its share of the shards, with ${nodes[*]}"
}

add() {
	local name group
	check_programs
	lock_directory
	[[ $# -gt 0 ]] || wrong_usage "add needs the name of a node, such as g1d, or of a group, such as g3"
	for name in "$@"; do
		if group=$(group_named "$name"); then
			add_group "$group"
		else
			add_node "$name"
		fi
	done
}

# The group's own list, by kvctl, has that node: is_member NODE
is_member() {
	kvctl member list "$(gid_of "$1")" 2>/dev/null |
		awk -v name="$1" '$2 == name { found = 1 } END { exit !found }'
}

remove_node() {
	local node=$1 code=0 missing=''
	if ! is_listed "$node"; then
		wrong_usage "there is no node '$node', only ${names[*]}"
	fi
	case ${role_of[$node]} in
	paxos) die "$node: the paxosds are those that the cluster was made with" ;;
	pbserver)
		[[ $(count_nodes pbserver) -eq 1 ]] || comes_to_spare "$node" ||
			die "$(group_name "$node") cannot spare $node: it lacks ${missing:-any other server}"
		;;
	*)
		[[ $(group_of_node "$node" | wc -l) -gt 1 || ${role_of[$node]} != shardkv ]] ||
			die "$node is all that group ${group_of[$node]} has: $(how remove \
			"g${group_of[$node]}") removes the group"
		if is_member "$node"; then
			change_member '' remove "$(gid_of "$node")" "$node" || code=$?
			[[ $code -eq 0 ]] || not_done "$code" remove "$node"
		elif ! kvctl member list "$(gid_of "$node")" >/dev/null; then
			die "$(group_name "$node") does not say whether $node is a member"
		fi
		;;
	esac
	end_nodes "$node"
	unlist "$node"
	say "removed $node; its directory $directory/$node is left"
}

# A whole group: its shards go to the others first.
remove_group() {
	local group=$1 node nodes=() config code=0 error
	for node in "${names[@]}"; do
		[[ ${role_of[$node]} != shardkv || ${group_of[$node]} -ne $group ]] ||
			nodes+=("$node")
	done
	[[ ${#nodes[@]} -gt 0 ]] || wrong_usage "there is no group $group, only $(group_numbers |
		tr '\n' ' ')"
	config=$(newest_config) || die "the shard masters do not answer"
	if has_joined "$group" "$config"; then
		error=$(kvctl leave "$group" 2>&1 >/dev/null) || code=$?
		if [[ $code -ne 0 ]] && config=$(newest_config) &&
			has_joined "$group" "$config"; then
			complain "group $group cannot leave: $error"
			not_done "$code" remove "g$group"
		fi
		config=$(newest_config) || die "the shard masters do not answer"
	fi
	# The rest serves what was its share. Its own nodes may have been stopped already, by a
	# command that was interrupted.
	await_adopted "$(config_number "$config")" "$group"
	end_nodes "${nodes[@]}"
	unlist "${nodes[@]}"
	say "removed group $group; the directories of ${nodes[*]} are left"
}

remove() {
	local name group
	check_programs
	lock_directory
	[[ $# -gt 0 ]] || wrong_usage "remove needs the name of a node, such as g1d, or of a group, such as g3"
	for name in "$@"; do
		if group=$(group_named "$name"); then
			remove_group "$group"
		else
			remove_node "$name"
		fi
	done
}
