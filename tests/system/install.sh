#!/usr/bin/env bash
# After `make install`, a program finds the library through pkg-config, links against either form of it, runs,
# and sees no other symbols than the functions of synod.h.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ -n ${SANITIZE:-} ]]; then
	echo "a shared library cannot be linked under the sanitizers: not tested in this build"
	exit 0
fi

build=$(dirname "$SYNOD_BIN")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
	echo "FAIL: $*"
	exit 1
}

# The jobs of an outer make are not ours to take.
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make BUILD="$build" PREFIX=/opt/synod DESTDIR="$scratch" install >"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	fail "make install"
}
prefix=$scratch/opt/synod
for program in "$SYNOD_BIN"/*; do
	[[ -x $prefix/bin/$(basename "$program") ]] || fail "$(basename "$program") was not installed"
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
[[ $(readelf -d "$scratch/shared") == *'[libsynod.so.1]'* ]] || fail "the program is not linked against libsynod.so.1"
LD_LIBRARY_PATH=$prefix/lib "$scratch/shared" || fail "the program linked against libsynod.so"

# shellcheck disable=SC2046
gcc -Wall -Wextra -Werror "$scratch/user.c" -o "$scratch/static" $(flags --cflags) "$prefix/lib/libsynod.a" \
	$(flags --static --libs | sed 's/-lsynod\b//')
"$scratch/static" || fail "the program linked against libsynod.a"

declared=$(gcc -E -P "$prefix/include/synod.h" | grep -oE '\bsynod_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u)
shared=$(nm -D --defined-only "$prefix/lib/libsynod.so" | awk '$2 == "T" {sub(/@.*/, "", $3); print $3}' | sort)
static=$(nm -g --defined-only "$prefix/lib/libsynod.a" | awk 'NF == 3 {print $3}' | sort)
[[ $shared == "$declared" ]] || fail "libsynod.so exports other symbols than synod.h declares: $shared"
[[ $static == "$declared" ]] || fail "libsynod.a exports other symbols than synod.h declares: $static"
if nm -D --defined-only "$prefix/lib/libsynod.so" | awk '$2 != "T" && $2 != "A"' | grep .; then
	fail "libsynod.so exports data"
fi
echo "installed, linked and run in both forms"
