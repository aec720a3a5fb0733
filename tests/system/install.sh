#!/usr/bin/env bash
# After `make install`, a program finds the library through pkg-config, links against either form of
# it, runs, and sees no other symbols than the functions of synod.h. The README's program does, by
# the README's words.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ -n ${SANITIZE:-} ]]; then
	echo "a shared library cannot be linked under the sanitizers: not tested in this build"
	exit 0
fi

# Relative, since the path of the checkout may have spaces, which a make variable and a .pc file do
# not bear; and not in
# /tmp, from which nothing can be run on some machines.
build=$(realpath --relative-to=. "$SYNOD_BIN/..")
scratch=$(mktemp -d "$build/tests/install.XXXXXX")
elsewhere=$(mktemp -d)
trap 'rm -rf "$scratch" "$elsewhere"' EXIT
ln -s "$PWD/$scratch" "$elsewhere/scratch" # a path without spaces

fail() {
	echo "FAIL: $*"
	exit 1
}

# install VARIABLE=VALUE…; the jobs of an outer make are not ours to take.
install() {
	env -u PKG_CONFIG_PATH -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make BUILD="$build" "$@" \
		install >"$scratch/log" 2>&1 || {
		cat "$scratch/log"
		fail "make install $*"
	}
}

install PREFIX=/opt/synod DESTDIR="$PWD/$scratch/staged tree"
mv "$scratch/staged tree/opt/synod" "$scratch/staged"
prefix=$scratch/staged
for program in "$SYNOD_BIN"/*; do
	[[ -x $prefix/bin/$(basename "$program") ]] ||
		fail "$(basename "$program") was not installed"
done

# pkg-config is told where the staged tree is; what it answers is otherwise what users get.
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
flags() {
	pkg-config --define-variable=prefix="$prefix" "$@" synod
}

cat >"$scratch/user.c" <<'PROGRAM'
#include <stdio.h>
#include <string.h>
#include <synod.h>

/* Names that the library uses inside too: neither may disturb the other. */
int map_get(void);
int map_get(void)
{
	return 42;
}

int main(void)
{
	struct synod *s = NULL;
	int status = synod_open(&s, &(struct synod_options){.config_file = "/nonexistent/cluster.conf"});

	if (status == SYNOD_OK || s == NULL || strlen(synod_error_message(s)) == 0 || map_get() != 42)
		return 1;
	printf("%s\n", synod_error_message(s));
	synod_close(s);
	return 0;
}
PROGRAM

# shellcheck disable=SC2046 # the flags are meant to be split
gcc -Wall -Wextra -Werror "$scratch/user.c" -o "$scratch/shared" $(flags --cflags --libs)
[[ $(readelf -d "$scratch/shared") == *'[libsynod.so.1]'* ]] ||
	fail "the program is not linked against libsynod.so.1"
"$scratch/shared" || fail "the program linked against libsynod.so"

# shellcheck disable=SC2046
gcc -Wall -Wextra -Werror "$scratch/user.c" -o "$scratch/static" $(flags --cflags) \
	"$prefix/lib/libsynod.a" \
	$(flags --static --libs | sed 's/-lsynod\b//')
"$scratch/static" || fail "the program linked against libsynod.a"

declared=$(gcc -E -P "$prefix/include/synod.h" | grep -oE '\bsynod_[a-z0-9_]+ *\(' | tr -d ' (' |
	sort -u)
shared=$(nm -D --defined-only "$prefix/lib/libsynod.so" |
	awk '$2 == "T" {sub(/@.*/, "", $3); print $3}' | sort)
static=$(nm -g --defined-only "$prefix/lib/libsynod.a" | awk 'NF == 3 {print $3}' | sort)
[[ $shared == "$declared" ]] ||
	fail "libsynod.so exports other symbols than synod.h declares: $shared"
[[ $static == "$declared" ]] ||
	fail "libsynod.a exports other symbols than synod.h declares: $static"
if nm -D --defined-only "$prefix/lib/libsynod.so" | awk '$2 != "T" && $2 != "A"' | grep .; then
	fail "libsynod.so exports data"
fi
# --- The README's program ---

# What stands in a code block of the README that begins so: block_of BEGINNING
block_of() {
	awk -v begin="$1" '
		/^```/ { inside = 0 }
		inside || $0 == begin { inside = 1; print }' README.md
}

prefix=$elsewhere/scratch/prefix
install PREFIX="$prefix"
grep -qF "export PKG_CONFIG_PATH=$prefix/lib/pkgconfig" "$scratch/log" || {
	cat "$scratch/log"
	fail "make install does not say how pkg-config finds it"
}
block_of '/* hello.c */' >"$scratch/hello.c"
grep -q synod_put "$scratch/hello.c" || fail "the README has lost its program"
compile=$(sed -n 's/^    \(cc hello\.c .*\)/\1/p' README.md)
[[ -n $compile ]] || fail "the README does not say how the program is compiled"
(
	export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
	cp "$scratch/hello.c" hello.install_test.c
	trap 'rm -f hello.install_test.c' EXIT
	eval "${compile//hello.c -o hello/hello.install_test.c -o $scratch/hello}"
) || fail "the README's program was not compiled by: $compile"
# There is no cluster here: it says so, which it could not if it did not find the library.
said=$(cd "$scratch" && env -u LD_LIBRARY_PATH ./hello 2>&1) &&
	fail "the README's program has found a cluster"
[[ $said == *cluster.conf* ]] || fail "the README's program said: $said"

# --- ldconfig ---

mkdir "$scratch/bin"
printf '#!/bin/sh\necho called\n' >"$scratch/bin/ldconfig"
chmod +x "$scratch/bin/ldconfig"
said=$(PATH=$PWD/$scratch/bin:$PATH scripts/after_install.sh /usr/local '')
[[ $said == *called* || ($EUID -ne 0 && $said == *"run 'ldconfig' as root"*) ]] ||
	fail "no ldconfig: $said"
said=$(PATH=$PWD/$scratch/bin:$PATH scripts/after_install.sh /usr/local /staged)
[[ -z $said ]] || fail "ldconfig for a staged tree: $said"

echo "installed, linked and run in both forms"
