#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Skein's image: the programs, the kernel programs, the custom resource
# definitions, and the libraries that the programs are linked with. There is no
# shell in it and nothing of a distribution.
#
#   /usr/bin/                  the programs (the plugin too, from where the agent installs it on the node)
#   /usr/lib/skein/bpf/        the kernel programs
#   /usr/share/skein/crds/     what the operator installs
#
# usage: build.sh NAME FILE BIN BPF PROGRAM...   BIN and BPF: the folders of what was built
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=pack.sh
. "$here/pack.sh"

[ $# -ge 5 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
name=$1 file=$2 bin=$3 bpf=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

install -d "$work"/{usr/bin,usr/lib/skein/bpf,usr/share/skein/crds,etc,tmp}
chmod 1777 "$work/tmp"
for program; do
    # A program with two names is there once.
    other=$(find "$bin" -samefile "$bin/$program" ! -name "$program" -printf '%f\n' | head -n 1)
    if [ -n "$other" ] && [ -e "$work/usr/bin/$other" ]; then
        ln "$work/usr/bin/$other" "$work/usr/bin/$program"
        continue
    fi
    install -m 755 "$bin/$program" "$work/usr/bin/"
    add_libraries "$work" "$bin/$program"
done
# Those that a release is made of: what only the tests load stays out.
for source in "$here"/../../bpf/*.bpf.c; do
    source=${source##*/}
    install -m 644 "$bpf/${source%.c}.o" "$work/usr/lib/skein/bpf/"
done
install -m 644 "$here"/../crds/skein*.yaml "$work/usr/share/skein/crds/"
# Names are looked up (the API server's may be one), so the library wants to know where.
echo 'hosts: files dns' >"$work/etc/nsswitch.conf"
echo 'root:x:0:0:root:/:/sbin/nologin' >"$work/etc/passwd"

make_image "$name" "$work" "$file"
unpacked=$(du -sb --apparent-size "$work" | cut -f1)
awk -v file="$file" -v name="$name" -v unpacked="$unpacked" -v packed="$(stat -c %s "$file")" 'BEGIN {
    printf "  IMAGE    %s in %s: %.1f MB, unpacked %.1f MB\n", name, file, packed / 1e6, unpacked / 1e6 }'
