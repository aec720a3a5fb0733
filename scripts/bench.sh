#!/usr/bin/env bash
# Measures Synod beside etcd and Redis on this machine; shows tables of ratios.
#
#   scripts/bench.sh              everything: about a quarter of an hour
#   scripts/bench.sh --quick      shorter and with fewer keys: about two minutes
#   scripts/bench.sh --install    first installs the peers' Debian packages, and
#                                 builds etcd's benchmark tool from Debian's
#                                 source of etcd
#   scripts/bench.sh --docs       and brings docs/performance.{md,svg,json} up to
#                                 date
#   scripts/bench.sh --render FILE [--docs]   only shows (or writes) results that
#                                 were measured before
#   scripts/bench.sh --render FILE --check    only says by its exit code whether
#                                 docs/ are those of the results
#
#       --peers etcd,redis    beside which (an empty list: none)
#       --clients 1,64        how many clients (default 1,16,64,256,1000)
#       --connections N       that the clients of Synod and of etcd share
#                             (default 16; Redis's have their own)
#       --seconds S           of one measurement (default 2)
#       --rounds N            how often each is repeated, in alternating order
#                             (default 3)
#       --keys N              for memory, disk space and restart
#                             (default 1000000)
#       --failovers N         how often the leader is killed (default 11)
#       --groups 1,2,4,8      how many groups share the machine
#                             (default 1,2,4,8)
#       --only SECTIONS       of rates,sizes,failover,groups,echo
#       --dir DIR             where the data is kept meanwhile: a real disk
#                             (default build/bench)
#       --base-port P         the first port that may be used (default 15000)
#
# All writes are synced before they are acknowledged: by a majority of three
# (Synod, etcd) or by the one copy (Redis). All traffic stays on 127.0.0.1. What
# it starts it ends, also on Ctrl-C.
# Exit codes: 0 done, 1 failed, 64 usage, 130 interrupted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${BUILD:-build}
work=$build/bench
etcd_benchmark=$work/etcd-benchmark
packages=(python3)
etcd_packages=(etcd-server golang-go golang-etcd-server-dev)
redis_packages=(redis-server redis-tools)

usage() {
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
}

die() {
	echo "bench: $*" >&2
	exit 1
}

missing_of() {
	local package state
	for package in "$@"; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		[[ $state == installed ]] || echo "$package"
	done
}

as_root() {
	if [[ $EUID -eq 0 ]]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

# Debian starts a server with its package; here they are started by hand, on other ports.
install_packages() {
	local service
	as_root apt-get -q update
	as_root apt-get -q install -y --no-install-recommends "$@"
	for service in etcd redis-server; do
		if [[ " $* " == *" $service"* && -d /run/systemd/system ]]; then
			as_root systemctl disable --now "$service" || true
		fi
	done
}

# The benchmark tool is part of Debian's source of etcd, but of none of its packages. The source is
# fetched with lists of packages of its own, so that the system's stay as they are, and compiled
# against Debian's Go packages.
build_etcd_benchmark() {
	local apt=$PWD/$work/apt tree=$PWD/$work/go options file
	local etcd=src/go.etcd.io/etcd
	rm -rf "$apt" "$tree"
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/parts" "$apt/source" \
		"$tree/$etcd"
	for file in /etc/apt/sources.list.d/*.sources; do
		[[ ! -f $file ]] || sed 's/^Types:.*/Types: deb-src/' "$file" \
			>"$apt/parts/${file##*/}"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[[ ! -f $file ]] || sed -n 's/^deb /deb-src /p' "$file" \
			>"$apt/parts/${file##*/}.list"
	done
	options=(-q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/parts"
		-o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User=)
	apt-get "${options[@]}" update || true # other archives than Debian's may have no sources
	(cd "$apt/source" && apt-get "${options[@]}" source --download-only etcd)
	tar -xf "$apt"/source/etcd_*.orig.tar.* -C "$tree/$etcd" --strip-components=1 \
		--wildcards '*/tools/benchmark'
	env GO111MODULE=off GOFLAGS= GOPATH="$tree:/usr/share/gocode" \
		GOCACHE="$PWD/$work/go-cache" \
		go build -o "$etcd_benchmark" go.etcd.io/etcd/tools/benchmark
	rm -rf "$apt" "$tree" "$work/go-cache"
}

install=no peers=etcd,redis render=no arguments=()
while [[ $# -gt 0 ]]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--install) install=yes ;;
	--peers=*) peers=${1#*=} arguments+=("$1") ;;
	--peers)
		peers=${2-} arguments+=("$1" "$peers")
		[[ $# -lt 2 ]] || shift
		;;
	--render | --render=*) render=yes arguments+=("$1") ;;
	*) arguments+=("$1") ;;
	esac
	shift
done

[[ $peers != *etcd* ]] || packages+=("${etcd_packages[@]}")
[[ $peers != *redis* ]] || packages+=("${redis_packages[@]}")
mkdir -p "$work"
if [[ $render == no ]]; then
	mapfile -t missing < <(missing_of "${packages[@]}")
	if [[ ${#missing[@]} -gt 0 ]]; then
		[[ $install == yes ]] ||
			die "not installed: ${missing[*]}; 'scripts/bench.sh --install' installs them"
		install_packages "${missing[@]}"
	fi
	if [[ $peers == *etcd* && ! -x $etcd_benchmark ]]; then
		[[ $install == yes ]] ||
			die "there is no $etcd_benchmark; 'scripts/bench.sh --install' builds it"
		build_etcd_benchmark
	fi
	make -s -j2 BUILD="$build" all "$build/tests/bench/bench_tcp" >/dev/null
fi
exec python3 -B scripts/bench/main.py --bin "$build/bin" --out "$work" \
	--etcd-benchmark "$etcd_benchmark" \
	--echo "$build/tests/bench/bench_tcp" "${arguments[@]}"
