#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the lab needs of a machine. Prints what is not there, a line each, and
# fails if there is anything; tries everything in namespaces that end with it.
#
# usage: needs.sh
# shellcheck disable=SC2317 # nearly all of it is called by way of `needs`
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"

missing=0
# needs WHAT COMMAND...
needs() {
    local what=$1
    shift
    "$@" >/dev/null 2>&1 </dev/null || { echo "$what"; missing=1; }
}
# aside COMMAND: in namespaces of its own.
aside() { unshare --mount --net --pid --fork --uts --ipc --cgroup --propagation private sh -euc "$1"; }
debian_archives() { [ -d "$cache" ] || [ -n "$(apt-get indextargets 'Created-By: Packages' 2>/dev/null)" ]; }
# gigabytes FOLDER: that are free where the folder is or will be.
gigabytes() {
    local folder=$1
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    df --output=avail -B1G "$folder" | tail -n 1
}
enough_space() { [ "$(gigabytes "$1")" -ge "$2" ]; }
enough_memory() { [ "$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)" -ge "$1" ]; }
writable_group() { mkdir -p "$1/$prefix.try" && rmdir "$1/$prefix.try"; }

if [ "$(id -u)" -ne 0 ]; then
    echo "root: it makes network namespaces and starts containers"
    exit 1
fi
"$here/../deps.sh" iproute2 iptables util-linux >&2
needs "namespaces: mount, net, pid, uts, ipc, cgroup" aside true
needs "control groups in the hybrid layout, writable: memory below /sys/fs/cgroup, version 2 in unified" eval \
    'writable_group /sys/fs/cgroup/memory && writable_group /sys/fs/cgroup/unified'
needs "overlayfs" aside 'mount -t tmpfs t /mnt; cd /mnt; mkdir a b c d; mount -t overlay o -o lowerdir=a,upperdir=b,workdir=c d'
needs "bpffs" aside 'mount -t bpf bpf /mnt'
needs "the kernel's types: /sys/kernel/btf/vmlinux" test -e /sys/kernel/btf/vmlinux
for kind in 'bridge' 'veth peer name try1' 'vxlan external dstport 4789'; do
    needs "devices of the kind ${kind%% *}" aside "ip link add name try0 type $kind"
done
for program in iptables ip6tables; do
    needs "$program with NAT, marks and statistics, for kube-proxy" aside "
        $program -t nat -A PREROUTING -m addrtype --dst-type LOCAL -m comment --comment a -j MARK --set-xmark 0x4000/0x4000
        $program -t nat -A POSTROUTING -m statistic --mode random --probability 0.5 -j MASQUERADE
        $program -A FORWARD -m conntrack --ctstate INVALID -j DROP"
done
if [ ! -d "$cache" ]; then
    needs "a Debian archive that apt knows: Kubernetes is built from its source" debian_archives
    needs "8 GB for building Kubernetes in $(dirname "$cache")" enough_space "$cache" 8
fi
needs "4 GB in $(dirname "$run")" enough_space "$run" 4
needs "4 GB of memory" enough_memory 4
exit $missing
