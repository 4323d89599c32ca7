#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Becomes a node: enters its control groups and its network, makes its other
# namespaces and, in them, its file system; then stays as the node's first
# process. When it ends, the kernel ends every process of the node, and its
# mounts are gone with it.
#
# usage: make-node.sh NODE FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"
# shellcheck source=cgroup.sh
. "$here/cgroup.sh"
# shellcheck source=network.sh
. "$here/network.sh"
node=$1 folder=$2
umask 022

if [ "${3:-}" != inside ]; then
    enter_cgroups "$node"
    exec nsenter --net="$(netns_path "$node")" -- unshare --mount --uts --ipc --pid --cgroup --fork --kill-child \
        --propagation private -- bash "$0" "$node" "$folder" inside
fi

root=$folder/root
# The machine's own files with the node's changes on top. Those are few and lie in memory: the upper layer may not
# be on the file system that it covers. What grows (containerd, kubelet, logs) is bound to the node's folder.
mount -t tmpfs -o size=256m,mode=755 "$node" "$root"
mkdir "$root"/{upper,work,merged}
mount -t overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$node" "$root/merged"
root=$root/merged
bind() { # SOURCE TARGET
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
}
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 cgroup "$root$cgroup_top"
while read -r hierarchy; do
    name=${hierarchy##*/}
    mkdir "$root$hierarchy"
    case $name in
        unified) mount -t cgroup2 cgroup2 "$root$hierarchy" ;;
        systemd) mount -t cgroup -o none,name=systemd cgroup "$root$hierarchy" ;;
        *) mount -t cgroup -o "$name" cgroup "$root$hierarchy" ;;
    esac
done < <(cgroup_hierarchies)
mount -t bpf bpf "$root/sys/fs/bpf"
mount -t tmpfs -o size=256m,mode=755 run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mkdir -p "$root/run/lock"
bind "$cache" "$cache"
mount -o remount,bind,ro "$root$cache"
bind "$folder/cni/net.d" /etc/cni/net.d
bind "$folder/cni/bin" /opt/cni/bin
bind "$folder/lib/containerd" /var/lib/containerd
bind "$folder/lib/kubelet" /var/lib/kubelet
bind "$folder/log" /var/log
bind "$folder/etc" /etc/kubernetes

# kubelet sets these, which are the whole machine's, unless they are so already: it shall find them so.
mkdir "$root/run/sysctl"
while IFS='=' read -r key value; do
    echo "$value" >"$root/run/sysctl/${key//\//.}"
    [ ! -e "$root/proc/sys/$key" ] || mount --bind "$root/run/sysctl/${key//\//.}" "$root/proc/sys/$key"
done <<'END'
vm/overcommit_memory=1
vm/panic_on_oom=0
kernel/panic=10
kernel/panic_on_oops=1
kernel/keys/root_maxkeys=1000000
kernel/keys/root_maxbytes=25000000
END

hostname "$node"
echo "$node" >"$root/etc/hostname"
md5sum <<<"$node" | cut -d' ' -f1 >"$root/etc/machine-id"
printf '127.0.0.1 localhost\n::1 localhost\n%s %s\n' "$(node_address4 "$node")" "$node" >"$root/etc/hosts"

# The machine's mounts are no business of the node's.
mkdir "$root/.machine"
cd "$root"
pivot_root . .machine
umount --lazy /.machine
rmdir /.machine
# As on a machine with an init system: what a pod mounts in a shared folder is seen by the others.
mount --make-rshared /
: >/run/node-is-made
# Collects processes that lost their parents, as a first process has to.
exec bash -c 'trap "exit 0" TERM; while :; do sleep 86400 & wait $!; done'
