# Clusters whose links can be broken: a proxy (proxy.c) stands on every link between the replicas of
# a group, and between clients and the groups. To be sourced after lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with lib.sh and the tests
#
#   proxy_cluster up [OPTION]...     one group, g1a g1b g1c, beside the shard masters; OPTIONs as
#                                    those of cluster.sh up
#   route_links 'PROGRAM…' LINK=N…   proxies on some links of another kind of cluster, before it is
#                                    started
#   proxy cut 'g1a-*'                a command of proxy.c; what it prints is in out
#   isolate NODE                     no other replica and NODE hear each other; clients still reach
#                                    it
#   deafen NODE                      NODE hears no other replica, and is heard by all
#   mute NODE                        NODE is heard by no other replica, and hears all
#   mend                             everything is good again
#   ask NODE KEY TIMEOUT_MS          reads from this replica, whatever it believes to be; the answer
#                                    is in out
#
# A link between replicas is called FROM-TO (g1a-g1b), one between clients and a replica
# client-NODE. The daemons are told with
# --route. Clients find the proxies in the configuration: the group has joined with their addresses,
# and its replicas believe that they listen there, by a file of their own.

proxied=(g1a g1b g1c)
declare -A proxy_port=() # by the name of the link

# A program of the cluster, which is started with the routes of its node, and what else has been
# laid down for that: what the process is called does not change by that. Its arguments begin with
# --config FILE --node NODE.
wrap_program() {
	cat >"$scratch/bin/$1" <<-END
		#!/usr/bin/env bash
		routes=()
		[[ \${3:-} != --node || ! -f "$scratch/routes/\${4:-}" ]] || mapfile -t routes <"$scratch/routes/\$4"
		if [[ \${3:-} == --node && -f "$scratch/routes/addresses" ]]; then
			sed -f "$scratch/routes/addresses" "\$2" >"\$2.\$4"
			set -- "\$@" --config "\$2.\$4"
		fi
		exec "$real_bin/$1" "\$@" "\${routes[@]}"
	END
	chmod +x "$scratch/bin/$1"
}

# Nodes are numbered from base_port + 1 on, the shard masters first.
replica_port() {
	echo $((base_port + proxy_masters + 1 + $1))
}

# Puts programs of the cluster into a directory of this test, with the routes of each node beside
# it.
make_routes() {
	local program number from to port=$((base_port + 10))
	real_bin=$SYNOD_BIN
	mkdir -p "$scratch/bin" "$scratch/routes"
	for program in "$real_bin"/*; do
		ln -sf "$program" "$scratch/bin/"
	done
	rm -f "$scratch/bin/shardkvd"
	wrap_program shardkvd
	SYNOD_BIN=$scratch/bin
	for number in "${!proxied[@]}"; do
		printf '%s\n' --listen "0.0.0.0:$(replica_port "$number")" \
			>"$scratch/routes/${proxied[number]}"
	done
	for from in "${proxied[@]}" client; do
		for to in "${proxied[@]}"; do
			[[ $from != "$to" ]] || continue
			proxy_port[$from-$to]=$port
			if [[ $from == client ]]; then
				echo "/^\[node $to\]/,/^listen = /s/^listen = .*/listen = 127.0.0.1:$port/" >>"$scratch/routes/addresses"
			else
				printf '%s\n' --route "$to=127.0.0.1:$port" \
					>>"$scratch/routes/$from"
			fi
			port=$((port + 1))
		done
	done
}

start_proxy() {
	local link to arguments=() number
	for link in "${!proxy_port[@]}"; do
		to=${link#*-}
		for number in "${!proxied[@]}"; do
			[[ ${proxied[number]} != "$to" ]] ||
				arguments+=("$link=127.0.0.1:${proxy_port[$link]},127.0.0.1:$(replica_port "$number")")
		done
	done
	helper_start "$tools/proxy" "$scratch/proxy" "${arguments[@]}"
	disown "$helper" # it is killed in the end, of which the shell need not speak
	await "the proxy" test -S "$scratch/proxy"
}

# Puts proxies on links FROM-TO=N: TO is the Nth node of the cluster, and FROM runs one of the
# programs.
route_links() {
	local program link port=$((base_port + 20)) arguments=()
	real_bin=$SYNOD_BIN
	mkdir -p "$scratch/bin" "$scratch/routes"
	ln -sf "$real_bin"/* "$scratch/bin/"
	for program in $1; do
		rm "$scratch/bin/$program"
		wrap_program "$program"
	done
	SYNOD_BIN=$scratch/bin
	for link in "${@:2}"; do
		port=$((port + 1))
		arguments+=("${link%=*}=127.0.0.1:$port,127.0.0.1:$((base_port + ${link#*=}))")
		link=${link%=*}
		printf '%s\n' --route "${link#*-}=127.0.0.1:$port" >>"$scratch/routes/${link%-*}"
	done
	helper_start "$tools/proxy" "$scratch/proxy" "${arguments[@]}"
	disown "$helper"
	await "the proxy" test -S "$scratch/proxy"
}

proxy_cluster() {
	local members
	proxy_masters=1
	make_routes
	start_proxy
	# The group joins by hand, with the proxies' addresses.
	mkdir -p "$run"
	touch "$run/joined"
	cluster "$@" --masters "$proxy_masters" --groups 1 --replicas "${#proxied[@]}"
	members=$(printf '127.0.0.1:%s,' "${proxy_port[client-g1a]}" "${proxy_port[client-g1b]}" \
		"${proxy_port[client-g1c]}")
	kv join 1 "${members%,}"
	expect 0
	kv put ready yes
	expect 0 OK
	# The replicas listen at 0.0.0.0, and know no other address of their own: what has joined
	# stands.
	await "the masters to be told" grep -qs event=members_told "$run"/g1?/log
	kv config -o json
	expect_json '.groups[0].members | sort | join(",")' "$(tr , '\n' <<<"${members%,}" | sort |
		paste -sd ,)"
}

# A command of the proxy; its answer is in out.
proxy() {
	try "$tools/proxy" -c "$scratch/proxy" "$@"
	[[ $status -eq 0 ]] || fail "proxy $*: $out $err"
}

others_than() {
	local node
	for node in "${proxied[@]}"; do
		[[ $node == "$1" ]] || echo "$node"
	done
}

deafen() {
	local other
	for other in $(others_than "$1"); do
		proxy cut "$other-$1"
	done
}

mute() {
	local other
	for other in $(others_than "$1"); do
		proxy cut "$1-$other"
	done
}

isolate() {
	deafen "$1"
	mute "$1"
}

mend() {
	proxy mend '*'
}

# How many frames of a method the links of a pattern have passed on, or lost: frames passed|lost
# LINK METHOD
frames() {
	local column=4
	[[ $1 == passed ]] || column=5
	"$tools/proxy" -c "$scratch/proxy" count "$2" | awk -v method="$3" -v column="$column" \
		'$3 == method { sum += $column } END { print sum + 0 }'
}

connections() {
	"$tools/proxy" -c "$scratch/proxy" count "$1" |
		awk '$2 == "connections" { sum += $3 } END { print sum + 0 }'
}

# Reads from one replica: its answer, or that there was none, is in out.
ask() {
	try "$tools/ask" "$(address "$1" listen)" "$(sed -n \
		'/^\[cluster\]/,/^\[node/s/^name = //p' "$config")" "$2" "$3"
	[[ $status -le 1 ]] || fail "ask $*: $out $err"
}

# The group has a leader other than NODE. What NODE says of itself does not count: another_leader
# NODE
another_leader() {
	status_json "[.nodes[] | select(.up and .leader and .group == 1 and .name != \"$1\")] | first | .name" >/dev/null
}

# The leader sleeps while it is replaced, and a read waits for it: leader_sleeps NUMBER
leader_sleeps() {
	local leader asker
	leader=$(leader_of 1)
	kv put register "old$1"
	expect 0
	cluster stop "$leader"
	# This read waits in the sleeper's socket, and is the first that it sees.
	"$tools/ask" "$(address "$leader" listen)" "$(sed -n 's/^name = //p' "$config" |
		head -n 1)" register 20000 \
		>"$scratch/ask.out" &
	asker=$!
	await "another leader" another_leader "$leader"
	kv put register "new$1"
	expect 0
	cluster cont "$leader"
	wait "$asker" || true
	[[ $(<"$scratch/ask.out") != "OK old$1" ]] || fail "a stale read: $(<"$scratch/ask.out")"
	say "the sleeper answered: $(<"$scratch/ask.out")"
	await "$leader to catch up" caught_up "$leader"
}
