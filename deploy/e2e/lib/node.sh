# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A node: a network, a file system, processes and control groups of its own, in
# which containerd, kubelet and kube-proxy run as they do on a machine.
#
#   <run>/nodes/<node>/cni/{net.d,bin}   /etc/cni/net.d and /opt/cni/bin of the node
#                     /lib/{containerd,kubelet}, /log   below its /var
#                     /etc                              its /etc/kubernetes
#                     /init                             id of its first process

node_folder() { echo "$run/nodes/$1"; }
node_pid() { cat "$(node_folder "$1")/init"; }

# on_node NODE COMMAND...: as a process of that node.
on_node() {
    local node=$1
    shift
    "$e2e/lib/in-node.sh" "$node" "$(node_pid "$node")" "$@"
}

# in_node NODE PROCESS COMMAND...: defines a daemon of that node, as <node>.<process>.
in_node() {
    local node=$1 name=$2
    shift 2
    process_define "$node.$name" "$e2e/lib/in-node.sh" "$node" "$(node_pid "$node")" "$@"
}

# start_in_node NAME: the one that does the work is a child, since a process does not change its process namespace.
start_in_node() {
    local name=$1
    ! process_is_alive "$name" || return 0
    process_start "$name"
    await 60 "$name" "$name starts" process_started_child "$name"
}

node_is_made() { on_node "$1" test -e /run/node-is-made; }

# make_node NODE: without its daemons.
make_node() {
    local folder
    folder=$(node_folder "$1")
    mkdir -p "$folder"/{cni/net.d,cni/bin,lib/containerd,lib/kubelet,log,etc,root}
    chmod 755 "$folder"/{cni,cni/net.d,cni/bin}
    # containerd brings the loopback device up by this one, whichever network the pods get.
    cp "$cache/cni/loopback" "$folder/cni/bin/"
    make_node_network "$1"
    make_cgroups "$1"
    process_define "$1.init" "$e2e/lib/make-node.sh" "$1" "$folder"
    start_in_node "$1.init"
    process_pid "$1.init" >"$folder/init"
    await 60 "$1.init" "the node's file system is made" node_is_made "$1"
}

write_containerd_configuration() { # NODE
    cat >"$(node_folder "$1")/etc/containerd.toml" <<END
version = 2
metrics = {address = "127.0.0.1:1338"}
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  # Scores below the daemon's own need a capability that a machine in a sandbox may lack.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
END
}

# Images are never collected: no registry would give them back. Requests are as frequent as later versions allow.
write_kubelet_configuration() { # NODE
    local folder
    folder=$(node_folder "$1")
    cp "$pki/ca.crt" "$pki/$1.crt" "$pki/$1.key" "$folder/etc/"
    cp "$pki/$1.kubeconfig" "$folder/etc/kubelet.kubeconfig"
    cp "$pki/kube-proxy.kubeconfig" "$folder/etc/"
    cat >"$folder/etc/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: /etc/kubernetes/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: /etc/kubernetes/$1.crt
tlsPrivateKeyFile: /etc/kubernetes/$1.key
featureGates: {IPv6DualStack: true}
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
oomScoreAdj: 0
maxPods: 200
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 1Mi, nodefs.available: 1Mi, imagefs.available: 1Mi}
kubeAPIQPS: 50
kubeAPIBurst: 100
eventRecordQPS: 50
resolvConf: /etc/kubernetes/resolv.conf
END
    echo '# There is no resolver here.' >"$folder/etc/resolv.conf"
}

define_node_daemons() { # NODE
    local v6
    v6=$(node_address6 "$1")
    write_containerd_configuration "$1"
    write_kubelet_configuration "$1"
    in_node "$1" containerd "$bin/containerd" --config /etc/kubernetes/containerd.toml
    in_node "$1" kubelet "$bin/kubelet" --config /etc/kubernetes/kubelet.yaml \
        --kubeconfig /etc/kubernetes/kubelet.kubeconfig --hostname-override "$1" \
        --node-ip "$(node_address4 "$1"),$v6" --container-runtime remote \
        --container-runtime-endpoint unix:///run/containerd/containerd.sock --root-dir /var/lib/kubelet
    in_node "$1" kube-proxy "$bin/kube-proxy" --kubeconfig /etc/kubernetes/kube-proxy.kubeconfig \
        --hostname-override "$1" --proxy-mode iptables --cluster-cidr "$pods4,$pods6" \
        --feature-gates IPv6DualStack=true --conntrack-max-per-core 0 --oom-score-adj 0
}

containerd_answers() { on_node "$1" "$bin/ctr" version; }
node_is_known() { kubectl get node "$1"; }

start_node_runtime() { # NODE
    make_node "$1"
    define_node_daemons "$1"
    start_in_node "$1.containerd"
    await 60 "$1.containerd" "containerd answers" containerd_answers "$1"
}

start_node_agents() { # NODE
    start_in_node "$1.kubelet"
    start_in_node "$1.kube-proxy"
}
