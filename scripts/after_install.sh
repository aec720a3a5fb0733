#!/usr/bin/env bash
# What `make install` does last: after_install.sh PREFIX DESTDIR
#
# The dynamic loader finds a library in /usr/local/lib only after ldconfig, which needs root and is
# of no use for a tree that is staged in DESTDIR. Otherwise this says what is left to do before
# programs compile and run.
set -euo pipefail

prefix=$1 destdir=$2
[[ -z $destdir ]] || exit 0
PATH=$PATH:/usr/sbin:/sbin

case $prefix in
/usr | /usr/local)
	if [[ $EUID -ne 0 ]]; then
		echo "run 'ldconfig' as root, so that programs find $prefix/lib/libsynod.so.1"
	elif ! ldconfig; then
		echo "ldconfig failed: programs may not find $prefix/lib/libsynod.so.1" >&2
	fi
	;;
esac
if [[ $(pkg-config --variable=prefix synod 2>/dev/null) != "$prefix" ]]; then
	echo "pkg-config finds it after: export PKG_CONFIG_PATH=$prefix/lib/pkgconfig"
fi
if [[ :$PATH: != *:$prefix/bin:* ]]; then
	echo "the shell finds the programs after: export PATH=$prefix/bin:\$PATH"
fi
