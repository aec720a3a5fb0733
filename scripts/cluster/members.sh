# Disks that are lost, and members that come and go.
# shellcheck shell=bash disable=SC2034,SC2154 # sourced by scripts/cluster.sh, whose variables these are

# The text of a field in a line of JSON as answers() prints it, without the blanks: field LINE NAME
field() {
	sed -nE "s/.*\"$2\":\"?([^\",}]*).*/\1/p" <<<"$1"
}

# What a node says of itself; nothing if it does not answer: answer_of NODE [ANSWERS]
answer_of() {
	{ if [[ $# -ge 2 ]]; then cat <<<"$2"; else answers; fi; } | grep -F "\"name\":\"$1\"" | head -n 1 || true
}

# The members of a node's group, itself among them, by cluster.conf.
group_of_node() {
	local node
	for node in "${names[@]}"; do
		if [[ ${role_of[$node]} == "${role_of[$1]}" && ${group_of[$node]} == "${group_of[$1]}" ]]; then
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
	noleader) echo "has no leader" ;;
	*) echo "$health" ;;
	esac
}

# Fails if the group of NODE could do nothing without it, and puts into `missing` who else it lacks: spares NODE
spares() {
	local node others=0 members=0 nodes why
	missing=''
	nodes=$(answers)
	while read -r node; do
		members=$((members + 1))
		[[ $node != "$1" ]] || continue
		why=$(weakness "$node" "$nodes")
		if [[ -z $why ]]; then
			others=$((others + 1))
		else
			missing+="${missing:+, }$node ($why)"
		fi
	done < <(group_of_node "$1")
	# One of two servers has all that there is: whoever is primary, or its backup.
	if [[ ${role_of[$1]} == pbserver ]]; then [[ $others -ge 1 ]]; else [[ $((2 * others)) -gt $members ]]; fi
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
	[[ ! -d $place ]] || find "$place" -mindepth 1 -maxdepth 1 ! -name log ! -name pid ! -name started -exec rm -rf {} +
}

# Says how far a node has come that has begun with an empty directory, and returns when it counts again. It has nothing before
# its peers have told it that its directory was lost; from then on it says itself that it does not vote.
await_member() {
	local node=$1 deadline=$((SECONDS + up_timeout)) answer applied chosen phase said='' told=$SECONDS
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
			[[ ${chosen:-0} -eq 0 ]] || phase+=", and catches up: $applied of $chosen slots"
			;;
		*:ok | *:notjoined) if [[ ${applied:-0} -gt 0 || ${role_of[$node]} == pbserver ]]; then return; fi ;;
		*) phase="catches up: ${applied:-0} of ${chosen:-0} slots" ;;
		esac
		# At once what is new, and every two seconds how it goes on.
		if [[ -n ${phase:-} && $phase != "$said" && (${phase%%[:,]*} != "${said%%[:,]*}" || $((SECONDS - told)) -ge 2) ]]; then
			say "$node $phase"
			said=$phase told=$SECONDS
		fi
		[[ $SECONDS -lt $deadline ]] || die "$node ${phase:-does not answer} after $up_timeout s, and goes on with that:" \
			"$(how status) shows how far it is"
		sleep 0.1
	done
}

# The disk of a node is lost: it begins again with an empty directory, and its group takes it in.
wipe() {
	local node=$1 missing='' alone=no
	check_programs
	lock_directory
	[[ ${role_of[$node]} != paxos ]] || die "$node: a paxosd cannot do without its disk in this version"
	if ! spares "$node"; then
		alone=yes
		[[ $force == yes ]] || die "$(group_name "$node") cannot spare $node: it lacks ${missing:-any other member}." \
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
		say "$node gets its vote back when $(group_name "$node") has a majority without it; it lacks $missing"
	else
		await_member "$node"
		say "$node has everything, and votes again"
	fi
}
