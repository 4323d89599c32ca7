# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What somebody needs who was not there when a check failed.

# collect FOLDER: state and logs. Nothing here may fail or hang.
collect() {
    local folder=$1 node agent kind
    mkdir -p "$folder"
    {
        kubectl get nodes,pods,daemonsets,deployments,leases -A -o wide
        kubectl get events -A --sort-by .lastTimestamp
        kubectl describe pods -A
        kubectl describe nodes
    } >"$folder/cluster.txt" 2>&1 || true
    for kind in skeinnodes skeinendpointslices skeinidentities skeinnetworkpolicies skeinclusternetworkpolicies \
        networkpolicies; do
        timeout 20 "$e2e/cluster.sh" kubectl get "$kind" -A -o yaml >"$folder/$kind.yaml" 2>&1 || true
    done
    for node in $(node_names); do
        timeout 20 "$e2e/lib/in-node.sh" "$node" "$(node_pid "$node")" sh -c '
            for c in "ip -d address" "ip rule" "ip route show table all" "ip -6 route show table all" "ip neighbour" \
                "ls -laR /sys/fs/bpf /run/skein /etc/cni/net.d /opt/cni/bin" "iptables-save" "ip6tables-save"; do
                echo "== $c"; $c; done' >"$folder/$node.txt" 2>&1 || true
        agent=$(agent_of "$node" || true)
        [ -n "$agent" ] || continue
        {
            for kind in status "endpoint list" "identity list" "policy list" "map list"; do
                echo "== skein $kind"
                # shellcheck disable=SC2086 # two words
                timeout 20 "$e2e/cluster.sh" kubectl -n kube-system exec "$agent" -c agent -- /usr/bin/skein $kind
            done
        } >>"$folder/$node.txt" 2>&1 || true
        timeout 20 "$e2e/cluster.sh" kubectl -n kube-system logs "$agent" --all-containers \
            >"$folder/$node.agent.log" 2>&1 || true
        timeout 20 "$e2e/cluster.sh" kubectl -n kube-system logs "$agent" -c agent --previous \
            >"$folder/$node.agent.previous.log" 2>&1 || true
    done
    timeout 20 "$e2e/cluster.sh" kubectl -n kube-system logs -l app.kubernetes.io/name=skein-operator --prefix \
        --tail=-1 >"$folder/operator.log" 2>&1 || true
    cp -r "$run/logs" "$folder/lab" 2>/dev/null || true
}
