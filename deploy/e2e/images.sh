#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Images for the lab's nodes, without a registry.
#
# usage: images.sh build                                   those that the lab itself needs (pause, agnhost)
#        images.sh make NAME FOLDER FILE [ENTRYPOINT...]   an archive of what is in the folder
#        images.sh load FILE [NODE...]                     into every node, or into those named
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/process.sh
. "$here/lib/process.sh"
# shellcheck source=lib/network.sh
. "$here/lib/network.sh"
# shellcheck source=lib/cgroup.sh
. "$here/lib/cgroup.sh"
# shellcheck source=lib/node.sh
. "$here/lib/node.sh"
# shellcheck source=lib/images.sh
. "$here/lib/images.sh"

usage() { sed -n '/^# usage/,/^set/s/^# //p' "$0" >&2; exit 2; }

[ $# -gt 0 ] || usage
verb=$1
shift
case $verb in
    build)
        "$here/build-kubernetes.sh"
        build_images
        ;;
    make) [ $# -ge 3 ] || usage; make_image "$@" ;;
    load)
        [ $# -ge 1 ] || usage
        need_root
        file=$1
        shift
        [ -f "$file" ] || die "no file $file"
        [ $# -gt 0 ] || mapfile -t nodes < <(node_names)
        [ $# -eq 0 ] || nodes=("$@")
        [ "${#nodes[@]}" -gt 0 ] || die "no node is up"
        load_image "$file" "${nodes[@]}"
        ;;
    *) usage ;;
esac
