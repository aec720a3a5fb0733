#!/usr/bin/env bash
# Installs the Debian packages that Synod needs and this machine lacks.
#
#   scripts/setup.sh            what building, running and the docs' examples need
#   scripts/setup.sh --tests    and what the tests need
#   scripts/setup.sh --dev      and what `make fuzz`, `make format`, `make tidy`
#                               and .ci/run need
#
# Needs root or sudo only if something is missing; when all is there it touches
# neither the system nor the network.
set -euo pipefail

build_packages=(
	gcc make pkg-config libc6-dev
	libevent-dev protobuf-c-compiler libprotobuf-c-dev libinih-dev libjansson-dev libzstd-dev
	curl jq
)
test_packages=(check netcat-openbsd valgrind python3)
dev_packages=(clang libclang-rt-14-dev clang-format clang-tidy shellcheck)

usage() {
	sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
}

# shellcheck source=scripts/folded.sh
source "$(dirname "${BASH_SOURCE[0]}")/folded.sh"

say() {
	echo "setup: $*" | folded 1
}

die() {
	echo "setup: $*" | folded 2 >&2
	exit 1
}

# Prints those of the given packages that are not installed.
missing_of() {
	local package state
	for package in "$@"; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		[[ $state == installed ]] || echo "$package"
	done
}

# Runs a command as root.
as_root() {
	if [[ $EUID -eq 0 ]]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

wanted=("${build_packages[@]}")
for argument in "$@"; do
	case $argument in
	--tests) wanted+=("${test_packages[@]}") ;;
	--dev) wanted+=("${dev_packages[@]}") ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 64
		;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	die "this is no Debian system; install the equivalents of: ${wanted[*]}"
fi
mapfile -t missing < <(missing_of "${wanted[@]}")
if [[ ${#missing[@]} -eq 0 ]]; then
	say "all ${#wanted[@]} packages are installed"
	exit 0
fi
if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
	die "run as root (there is no sudo): apt-get install ${missing[*]}"
fi

say "installing ${#missing[@]} missing packages: ${missing[*]}"
as_root apt-get -q update ||
	say "the package lists could not be brought up to date; going on with those at hand"
as_root apt-get -q install -y --no-install-recommends "${missing[@]}" ||
	die "apt-get could not install them; see its message above"
mapfile -t missing < <(missing_of "${wanted[@]}")
[[ ${#missing[@]} -eq 0 ]] || die "still missing: ${missing[*]}"
say "done"
