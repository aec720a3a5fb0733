# cluster.conf: writing it, and reading which nodes there are.
# sourced by scripts/cluster.sh, whose variables these are
# shellcheck shell=bash disable=SC2034,SC2154,SC2119,SC2120

names=()
declare -A role_of group_of listen_of http_of dir_of
declare -A setting_of # of [cluster]

config_file() {
	echo "$directory/cluster.conf"
}

# Reads the nodes of cluster.conf, or of FILE, into the arrays above. What is wrong with the file,
# the daemons say better.
load_config() {
	local line key value node='' section=''
	names=() setting_of=()
	while IFS= read -r line || [[ -n $line ]]; do
		line=${line%%[;#]*}
		if [[ $line =~ ^[[:space:]]*\[[[:space:]]*node[[:space:]]+([A-Za-z0-9._-]+)[[:space:]]*\] ]]; then
			node=${BASH_REMATCH[1]}
			names+=("$node")
			role_of[$node]='' group_of[$node]=0 listen_of[$node]='' http_of[$node]='' \
				dir_of[$node]=''
			section=node
		elif [[ $line =~ ^[[:space:]]*\[[[:space:]]*([a-z]+) ]]; then
			node='' section=${BASH_REMATCH[1]}
		elif [[ -n $node && $line =~ ^[[:space:]]*dir[[:space:]]*[=:][[:space:]]*(.*[^[:space:]]) ]]; then
			dir_of[$node]=${BASH_REMATCH[1]} # may have spaces
		elif [[ $section == cluster &&
			$line =~ ^[[:space:]]*([a-z_]+)[[:space:]]*[=:][[:space:]]*(.*[^[:space:]]) ]]; then
			setting_of[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
		elif [[ -n $node && $line =~ ^[[:space:]]*([a-z_]+)[[:space:]]*[=:][[:space:]]*([^[:space:]]+) ]]; then
			key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
			case $key in
			role) role_of[$node]=$value ;;
			group) group_of[$node]=$value ;;
			listen) listen_of[$node]=$value ;;
			http) http_of[$node]=$value ;;
			esac
		fi
	done <"${1:-$(config_file)}"
	[[ ${#names[@]} -gt 0 ]] || die "$(config_file) describes no node"
}

need_config() {
	[[ -f $(config_file) ]] || die "there is no cluster in $directory: $(how up) makes one"
	load_config
	note_strays
}

# The group numbers, in ascending order.
group_numbers() {
	local node
	for node in "${names[@]}"; do
		[[ ${role_of[$node]} != shardkv ]] || echo "${group_of[$node]}"
	done | sort -nu
}

# The addresses of a group's members, separated by commas: members GROUP
members() {
	local node list=''
	for node in "${names[@]}"; do
		[[ ${role_of[$node]} != shardkv || ${group_of[$node]} != "$1" ]] ||
			list+=,${listen_of[$node]}
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

# Once the cluster serves it has an id, which no other of its name has: from then on it stands in
# cluster.conf, and daemons and tools keep to it.
write_id() {
	local id
	! grep -qE '^[[:space:]]*id[[:space:]]*[=:]' "$(config_file)" || return 0
	id=$(kvctl status -o json 2>/dev/null | tr -d ' \t\n' |
		sed -nE 's/.*"cluster_id":"([0-9a-f]{16})".*/\1/p') || true
	[[ -n $id ]] || return 0
	# At the end of the section [cluster].
	awk -v id="$id" '
		function put() { if (inside) print "id = " id; inside = 0; printf "%s", blank; blank = "" }
		inside && /^[[:space:]]*$/ { blank = blank $0 "\n"; next }
		/^[[:space:]]*\[/ { put(); inside = /^[[:space:]]*\[[[:space:]]*cluster[[:space:]]*\]/ }
		{ printf "%s", blank; blank = ""; print }
		END { put() }' "$(config_file)" >"$(config_file).new"
	mv "$(config_file).new" "$(config_file)"
}

# Writes cluster.conf, into FILE if that is given.
write_config() {
	local group replica number=0 setting letters=abcdefg file=${1:-$(config_file)}
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
				write_node "g$group${letters:replica:1}" shardkv "$group" \
					$((++number))
			done
		done
		for ((replica = 1; replica <= views; replica++)); do
			write_node "v$replica" viewserver 0 $((++number))
		done
		for ((replica = 1; replica <= pbs; replica++)); do
			write_node "pb$replica" pbserver 0 $((++number))
		done
		for ((replica = 1; replica <= paxosds; replica++)); do
			write_node "p$replica" paxos 0 $((++number))
		done
	} >"$file.new"
	mv "$file.new" "$file"
}
