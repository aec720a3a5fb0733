# Ports: whether they are free, and who has them.
# sourced by scripts/cluster.sh, whose variables these are
# shellcheck shell=bash disable=SC2034,SC2154

# Something accepts connections at HOST:PORT.
in_use() {
	(exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null
}

# The inodes of the sockets that keep others from listening at HOST:PORT: those that listen there,
# or have that port on this side of a connection. What no process has any more (inode 0) only waits
# out its end. Of hosts that are not plain IPv4 addresses nothing is known. (To awk 70E7 and 07E8
# are one number unless they are made strings.)
sockets_at() {
	local host='' part parts
	IFS=. read -ra parts <<<"${1%:*}"
	[[ ${1%:*} =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]] || return 0
	for part in "${parts[@]}"; do
		host=$(printf '%02X' "$((10#$part))")$host
	done
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk -v host="$host" -v port="$(printf '%04X' "${1##*:}")" '
		{ split($2, address, ":") }
		address[2] "" != port "" || $10 == 0 || $4 == "06" { next }
		address[1] ~ "^(0+FFFF0000)?" host "$" || address[1] ~ /^0+$/ { print ($4 != "0A"), $10 }' |
		sort -u | sed 's/^. //'
}

# The process that has a socket; fails if that is another user's: process_of INODE
process_of() {
	local link
	for link in /proc/[0-9]*/fd/*; do
		if [[ $(readlink "$link" 2>/dev/null) == "socket:[$1]" ]]; then
			link=${link#/proc/}
			echo "${link%%/*}"
			return
		fi
	done
	return 1
}

# Says who has a port, for the middle of a sentence: owner_of INODE
owner_of() {
	local pid arguments=()
	if ! pid=$(process_of "$1"); then
		echo "another user's process"
		return
	fi
	{ mapfile -t -d '' arguments <"/proc/$pid/cmdline"; } 2>/dev/null || true
	if [[ ${arguments[1]:-} == --config && ${arguments[3]:-} == --node ]]; then
		echo "process $pid, which is ${arguments[4]:-} of the cluster of ${arguments[2]}"
	else
		echo "process $pid (${arguments[*]:0:4})"
	fi
}

# The ports of the kernel's own range, from which it takes one for every outgoing connection: "LOW
# HIGH"
ephemeral_range() {
	local low high
	read -r low high </proc/sys/net/ipv4/ip_local_port_range 2>/dev/null ||
		{ low=32768 high=60999; }
	echo "$low $high"
}

# Some of the ports FIRST to LAST are in that range.
ephemeral() {
	local low high
	read -r low high < <(ephemeral_range)
	[[ $2 -ge $low && $1 -le $high ]]
}

# A base port whose ports for that many nodes are free and not the kernel's: free_base COUNT
free_base() {
	local base port taken
	for ((base = 7100; base + 1000 + $1 < 32768; base += 100)); do
		! ephemeral $((base + 1)) $((base + 1000 + $1)) || continue
		taken=no
		for ((port = base + 1; port <= base + $1; port++)); do
			if in_use "127.0.0.1:$port" || in_use "127.0.0.1:$((port + 1000))"; then
				taken=yes
				break
			fi
		done
		if [[ $taken == no ]]; then
			echo "$base"
			return
		fi
	done
	return 1
}

# What to do about a port that is taken.
other_ports() {
	local base
	if base=$(free_base ${#names[@]}); then
		if [[ $new == yes ]]; then
			echo "stop that, or choose other ports: $(how up --base-port "$base")"
		else
			echo "stop that, or make another cluster: $me up --dir OTHER --base-port $base"
		fi
	else
		echo "stop that, or choose other ports with --base-port"
	fi
}

# Dies if a port of one of the given nodes is taken.
check_ports() {
	local node address inode
	for node in "$@"; do
		for address in "${listen_of[$node]}" "${http_of[$node]}"; do
			[[ -n $address ]] || continue
			inode=$(sockets_at "$address" | head -n 1)
			if [[ -n $inode ]]; then
				die "$address, which is for $node, is in use by $(owner_of \
					"$inode"): $(other_ports)"
			elif in_use "$address"; then
				die "$address, which is for $node, is in use by another process: $(other_ports)"
			fi
		done
	done
}

# Says once, when a cluster is made, that its ports are not safe.
warn_of_ephemeral_ports() {
	local low high first=${listen_of[${names[0]}]##*:} last=${http_of[${names[-1]}]##*:}
	if ephemeral "$first" "$last"; then
		read -r low high < <(ephemeral_range)
		complain "warning: of the ports $first to $last the kernel may take some for outgoing connections" \
			"($low to $high), and a node that starts later finds its own taken; choose a lower --base-port"
	fi
}
