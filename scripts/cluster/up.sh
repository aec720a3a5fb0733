# Starting a cluster, and waiting until it serves.
# shellcheck shell=bash disable=SC2034,SC2154 # sourced by scripts/cluster.sh, whose variables these are

kvctl() {
	"$programs/kvctl" --config "$(config_file)" --timeout 5s "$@"
}

check_programs() {
	local program
	for program in shardmasterd shardkvd viewserver pbserver paxosd kvctl; do
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
	elif [[ -n $given_groups && $(group_numbers | wc -l) -ne $ngroups ]]; then
		differs="$(group_numbers | wc -l) groups"
	elif [[ -n $given_views && $(count_nodes viewserver) -ne $views ]]; then
		differs="$(count_nodes viewserver) viewservers"
	elif [[ -n $given_pbs && $(count_nodes pbserver) -ne $pbs ]]; then
		differs="$(count_nodes pbserver) primary/backup servers"
	elif [[ -n $given_paxosds && $(count_nodes paxos) -ne $paxosds ]]; then
		differs="$(count_nodes paxos) paxosds"
	elif [[ -n $given_base_port && ${listen_of[$first]##*:} -ne $((base_port + 1)) ]]; then
		differs="its first node at port ${listen_of[$first]##*:}"
	elif [[ ${#settings[@]} -gt 0 ]]; then
		differs="its settings in $(config_file)"
	fi
	if [[ -n $given_replicas ]]; then
		for group in $(group_numbers); do
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

# What the nodes that answer say of themselves: one line of JSON for each.
answers() {
	kvctl status -o json 2>/dev/null | tr -d ' \t\n' | sed 's/{"name"/\n&/g' | grep '"up":true' || true
}

# The newest configuration as JSON; fails when the shard masters do not serve.
newest_config() {
	kvctl config -o json 2>/dev/null | tr -d ' \t\n' | grep '"config":'
}

# What is still missing for the cluster to have leaders everywhere; nothing if they are there: missing_leaders ANSWERS
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

# The primary/backup servers keep their store in memory. If all of them were down, nobody holds what the present view is about,
# and it is given up here; otherwise that is for people to decide (kvctl view reset).
missing_primary() {
	local node
	[[ $(count_nodes viewserver) -gt 0 ]] || return 0
	if ! grep '"leader":true' <<<"$1" | grep -q '"role":"viewserver"'; then
		echo "a leader of the view service"
	elif [[ $(count_nodes pbserver) -gt 0 ]] && ! grep '"leader":true' <<<"$1" | grep -q '"role":"pbserver"'; then
		echo "a primary"
		for node in "${names[@]}"; do
			[[ ${role_of[$node]} != pbserver || " ${started[*]} " == *" $node "* ]] || return 0
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
		missing=$(missing_for_service)
		[[ -n $missing ]] || return 0
		if [[ $SECONDS -ge $deadline ]]; then
			give_up "does not serve after $up_timeout s, waiting for ${missing//$'\n'/, }; see $directory/*/log"
		fi
		sleep 0.1
	done
}

# some NUMBER WORD: "1 WORD" or "N WORDs", for numbers from 1
some() {
	[[ $1 -eq 0 ]] || echo "$1 $2$([[ $1 -eq 1 ]] || echo s)"
}

what_runs() {
	{
		some "$(count_nodes shardmaster)" "shard master"
		some "$(group_numbers | wc -l)" group
		some "$(count_nodes viewserver)" viewserver
		some "$(count_nodes pbserver)" pbserver
		some "$(count_nodes paxos)" paxosd
	} | paste -sd , | sed 's/,/, /g'
}

# Takes the directory for this `up` alone.
prepare_directory() {
	mkdir -p "$directory" 2>/dev/null || die "cannot make the directory $directory"
	directory=$(cd "$directory" && pwd -P)
	[[ $directory != *[\;#$'\n']* ]] || die "the path $directory has a character that cluster.conf does not allow"
	[[ -w $directory ]] || die "the directory $directory is not writable"
	exec 9>"$directory/lock"
	flock -n 9 || die "another '$0 up' is at work in $directory"
}

up() {
	local node absent=()
	check_programs
	prepare_directory
	if [[ -f $(config_file) ]]; then
		load_config
		check_agreement
	else
		write_config
		load_config
	fi
	for node in "${names[@]}"; do
		case $(state_of "$node") in
		down) absent+=("$node") ;;
		paused) say "$node is paused: '$0 cont $node --dir $directory' lets it go on" ;;
		esac
	done
	if [[ ${#absent[@]} -gt 0 ]]; then
		check_ports "${absent[@]}"
		say "starting ${absent[*]} in $directory"
		for node in "${absent[@]}"; do
			start_node "$node"
			started+=("$node")
		done
	fi
	wait_serving
	if [[ ${#absent[@]} -eq 0 ]]; then
		say "already running in $directory"
	else
		say "serving: $(what_runs); see $(config_file)"
	fi
}
