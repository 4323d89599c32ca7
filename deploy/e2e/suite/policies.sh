# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Policies between nodes. Each file of scenarios/ is one: objects, and in comments
# who then reaches whom and who does not:
#
#   #= FROM TO PROTOCOL PORT yes|no
#
# Everything is there at once, and nothing of it after the objects are gone.

pods_of_policies() {
    probe_pod near client node1 'name: client, kind: client'
    probe_pod near client2 node2 'name: client2, kind: client, other: client'
    probe_pod near echo node1 'name: echo, kind: echo'
    probe_pod near echo-far node3 'name: echo-far, kind: echo'
    probe_pod far stranger node2 'name: stranger, kind: client'
    probe_pod far host-1 node1 'name: host' 'hostNetwork: true'
    probe_pod far host-2 node2 'name: host' 'hostNetwork: true'
    probe_pod far host-3 node3 'name: host' 'hostNetwork: true'
}

scenario_lines() { sed -nE 's/^#= ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) (yes|no)$/\1 \2 \3 \4 64 \5/p' "$1"; }
knows_kind() { ! grep -q '^kind: Skein' "$1" || has_policy; }

scenario() { # FILE
    local file=$1 name=${1##*/}
    name=${name%.yaml}
    [ -n "$(scenario_lines "$file")" ] || die "$file expects nothing"
    if knows_kind "$file"; then
        check "$name: is taken" quietly kubectl apply -f "$file"
    fi
    expect "$name" < <(scenario_lines "$file")
    ! knows_kind "$file" || quietly kubectl delete -f "$file" --wait
}

everything_is_open() {
    expect "${1:-without policies}" < <(
        lines client client2 stranger to echo echo-far with tcp:7000:64 udp:7000:64 tcp:7001:64 icmp:0:64
        lines client client2 to world stranger host1 host2 host3 with tcp:7000:64
        lines host1 host2 to echo echo-far with tcp:7000:64
    )
}

# One policy after the other replaces what lets two loads through, and each time other rules of it; then one cuts one of
# them off.
allow_from() { # LABELS-OF-PEERS...
    local peer
    echo 'apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: near, name: under-load}
spec:
  podSelector: {matchLabels: {kind: echo}}
  ingress:
  - from:'
    for peer; do echo "    - {podSelector: {matchLabels: {$peer}}}"; done
}
change_under_load() {
    local round
    start_load near steady node2 'name: steady, kind: load' 20 20 echo-far ||
        { check "a load between nodes" false; return; }
    start_load near other node1 'name: other, kind: load' 20 20 echo-far || { check "another load" false; return; }
    for round in {1..10}; do
        allow_from 'name: steady' 'name: other' "round: r$round" | kubectl apply -f - >/dev/null
        allow_from 'kind: load' "name: nobody" | kubectl apply -f - >/dev/null
    done
    expect "after twenty changes, the last is in force" <<END
client echo-far tcp 7000 64 no
client2 echo-far tcp 7000 64 no
END
    nothing_lost "twenty changes of policy"
    if has_policy; then
        allow_from 'name: steady' | kubectl apply -f - >/dev/null
        check "a policy without one of the loads cuts its open connections" within 40 all_are_silent other
        check "and lets it open none" within 40 has_grown other failed 0
        check "the other one lives on" goes_on steady
        check "and none of its own failed" none_failed steady
        allow_from 'kind: load' | kubectl apply -f - >/dev/null
        check "what was cut comes back with the policy that allows it" within 90 all_speak other
        show_loads
    fi
    kubectl -n near delete networkpolicy under-load --wait >/dev/null
    end_loads
}

topic_policies() {
    local file
    heading "Policies between nodes ($mode)"
    kubectl create namespace near >/dev/null
    kubectl create namespace far >/dev/null
    kubectl label namespace far place=far >/dev/null
    pods_of_policies | kubectl apply -f - >/dev/null
    check "pods on three nodes are ready" within 180 pods_are_ready near far
    learn_pods
    everything_is_open
    for file in "$e2e"/suite/scenarios/*.yaml; do scenario "$file"; done
    everything_is_open "and when all of them are gone"
    heading "Policies change under load ($mode)"
    change_under_load
    kubectl delete namespace near far --wait >/dev/null
}
