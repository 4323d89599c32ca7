# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What an agent of Skein's kind needs of a node, looked at with a pod like it:
# on the node's network, with named capabilities and without `privileged`.

agent_pod() { # NAME NODE SECURITY PROPAGATION
    cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  nodeName: $2
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  containers:
  - name: agent
    image: $agnhost_image
    imagePullPolicy: Never
    args: [pause]
    securityContext: $3
    volumeMounts:
    - {name: bpf, mountPath: /sys/fs/bpf}
    - {name: netns, mountPath: /run/netns, mountPropagation: HostToContainer}
    - {name: sysctl, mountPath: /node/proc/sys/net}
    - {name: cgroup, mountPath: /node/cgroup}
    - {name: shared, mountPath: /run/skein-check, mountPropagation: $4}
  volumes:
  - {name: bpf, hostPath: {path: /sys/fs/bpf}}
  - {name: netns, hostPath: {path: /run/netns, type: DirectoryOrCreate}}
  - {name: sysctl, hostPath: {path: /proc/sys/net}}
  - {name: cgroup, hostPath: {path: /sys/fs/cgroup/unified}}
  - {name: shared, hostPath: {path: /run/skein-check, type: DirectoryOrCreate}}
END
}

named_capabilities='{capabilities: {add: [BPF, NET_ADMIN, PERFMON, SYS_ADMIN]}}'

in_agent() { kubectl exec agent -- "$@"; }
in_privileged() { kubectl exec privileged -- "$@"; }
reaches_api() { [ "$(in_agent curl -s -k -m 3 "https://$1/readyz" </dev/null)" = ok ]; }
containers_have_cgroups() {
    local paths
    # shellcheck disable=SC2016 # the node's shell expands it
    paths=$(on_node node1 sh -c 'for pid in $(pgrep -x agnhost); do sed -n s/^0:://p /proc/$pid/cgroup; done')
    [ -n "$paths" ] && ! grep -qv '^/k8s\.io/' <<<"$paths"
}
pod_is_running() { [ "$(kubectl get pod "$1" -o 'jsonpath={.status.phase}' 2>/dev/null)" = Running ]; }
starts() { # NAME SECURITY PROPAGATION
    agent_pod "$1" node1 "$2" "$3" | kubectl apply -f - >/dev/null && within 30 pod_is_running "$1"
}

# The system call by its number, as no shell has it: a hash map of four-byte keys and values.
makes_bpf_map() {
    local number=321
    [ "$(uname -m)" = x86_64 ] || number=280
    in_agent perl -e "\$a = pack('L4', 1, 4, 4, 8); \$a .= \"\\0\" x 112;
        exit(syscall($number, 0, \$a, length \$a) < 0)"
}
sees_bpffs() { in_agent mkdir /sys/fs/bpf/check && on_node node1 rmdir /sys/fs/bpf/check; }
bpffs_is_nodes_own() {
    on_node node1 mkdir /sys/fs/bpf/of-node1 && ! on_node node2 test -e /sys/fs/bpf/of-node1
    on_node node1 rmdir /sys/fs/bpf/of-node1
}
makes_device() { in_agent ip link add check type veth peer name check1 && in_agent ip link del check; }
enters_pod() {
    local netns
    netns=$(in_agent sh -c 'ls /run/netns/ | head -n 1')
    in_agent nsenter --net="/run/netns/$netns" ip address show dev eth0 | grep -q inet
}
sees_netns_of_later_pod() {
    local before after
    before=$(in_agent ls /run/netns | wc -l)
    on_node node1 sh -c ': >/run/netns/check && mount --bind /proc/self/ns/net /run/netns/check' || return 1
    after=$(in_agent sh -c 'for f in /run/netns/*; do nsenter --net=$f true && echo; done' | wc -l)
    on_node node1 sh -c 'umount /run/netns/check && rm /run/netns/check'
    [ "$after" -eq $((before + 1)) ]
}
sets_sysctl() { in_agent sh -c 'echo 0 >/node/proc/sys/net/ipv4/conf/all/rp_filter'; }
own_proc_sys_is_closed() { ! in_agent sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter' 2>/dev/null; }
opens_own_proc_sys() {
    in_agent sh -c 'mount -o remount,rw /proc/sys && echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter'
}
node_cgroup_is_root() {
    in_agent test -e /node/cgroup/cgroup.procs -a ! -e "/node/cgroup/$prefix" &&
        [ "$(on_node node1 sed -n 's/^0:://p' /proc/self/cgroup)" = / ]
}
bidirectional_is_refused() {
    local answer
    answer=$(agent_pod refused node1 "$named_capabilities" Bidirectional | kubectl apply -f - 2>&1) && return 1
    [[ $answer == *"Bidirectional mount propagation is available only to privileged containers"* ]]
}
mount_reaches_node() {
    in_privileged sh -c 'mkdir -p /run/skein-check/bpf && mount -t bpf bpf /run/skein-check/bpf' || return 1
    on_node node1 mountpoint -q /run/skein-check/bpf && on_node node1 umount /run/skein-check/bpf
}
import_is_quick() {
    local file=$run/check.tar folder=$run/check-image began
    mkdir -p "$folder"
    head -c 60M /dev/urandom >"$folder/payload"
    make_image localhost/check:lab "$folder" "$file" /payload
    began=$(milliseconds)
    load_image "$file" node1
    say "60 MB into one node: $(($(milliseconds) - began)) ms"
    rm -rf "$file" "$folder"
    [ $(($(milliseconds) - began)) -lt 10000 ]
}

check_agent_starts() {
    check "a pod with BPF, NET_ADMIN, PERFMON and SYS_ADMIN starts there, not privileged" \
        starts agent "$named_capabilities" HostToContainer
    check "and reaches the API server by its service, IPv4" within 10 reaches_api "$api_service4"
}

check_facts() {
    check "it makes a BPF map" makes_bpf_map
    check "it writes to the node's bpffs" sees_bpffs
    check "which is no other node's" bpffs_is_nodes_own
    check "it makes a device on the node" makes_device
    check "it enters a pod's network" enters_pod
    check "it sees the networks of later pods (HostToContainer)" sees_netns_of_later_pod
    check "it sets the node's sysctls where they are mounted from the node" sets_sysctl
    check "but not in its own /proc/sys" own_proc_sys_is_closed
    check "unless it mounts that anew" opens_own_proc_sys
    check "the root of control groups that it sees is the node's" node_cgroup_is_root
    check "and each container has a group of version 2 below it" containers_have_cgroups
    check "Bidirectional is refused to it" bidirectional_is_refused
    check "a privileged pod starts" starts privileged '{privileged: true}' Bidirectional
    check "and what it mounts is there on the node" mount_reaches_node
    check "an import of 60 MB is quick" import_is_quick
    kubectl delete pod agent privileged --grace-period=0 --force --wait=false >/dev/null 2>&1 || true
}
