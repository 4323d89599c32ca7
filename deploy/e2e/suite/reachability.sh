# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Who reaches whom when nobody forbids anything: pods of one node and of several,
# the nodes themselves, the API server, what is outside; small messages and such
# as fit into no packet.

pods_of_reachability() {
    local node
    for node in $(node_names); do
        probe_pod reach "a${node#node}" "$node" 'of: a'
        probe_pod reach "b${node#node}" "$node" 'of: b'
        probe_pod reach "host-${node#node}" "$node" 'of: host' 'hostNetwork: true'
    done
}

# lines FROM... to TO... with PROTOCOL:PORT:SIZE...: everybody asks everybody else.
lines() {
    local -a from=() to=()
    local one other what
    while [ "$1" != to ]; do from+=("$1"); shift; done
    shift
    while [ "$1" != with ]; do to+=("$1"); shift; done
    shift
    for one in "${from[@]}"; do
        for other in "${to[@]}"; do
            [ "$one" != "$other" ] || continue
            for what; do echo "$one $other ${what//:/ } yes"; done
        done
    done
}

topic_reachability() {
    local node
    local -a pods=() hosts=() small=(tcp:7000:1400 udp:7000:1400 icmp:0:1400)
    local -a large=(tcp:7000:64000 udp:7000:64000 icmp:0:64000)
    heading "Who reaches whom ($mode)"
    kubectl create namespace reach >/dev/null
    pods_of_reachability | kubectl apply -f - >/dev/null
    check "two pods on every node are ready" within 180 pods_are_ready reach
    learn_pods
    for node in $(node_names); do
        pods+=("a${node#node}" "b${node#node}")
        hosts+=("host${node#node}")
    done
    expect "pods of one node, 1,400 bytes" < <(lines a1 b1 to a1 b1 with "${small[@]}")
    expect "pods of one node, 64,000 bytes" < <(lines a1 b1 to a1 b1 with "${large[@]}")
    expect "pods of all nodes, 1,400 bytes" < <(lines "${pods[@]}" to "${pods[@]}" with "${small[@]}")
    expect "pods of all nodes, 64,000 bytes" < <(lines "${pods[@]}" to "${pods[@]}" with "${large[@]}")
    expect "pods and all nodes, 1,400 bytes" < <(lines "${pods[@]}" to "${hosts[@]}" with "${small[@]}")
    expect "pods and all nodes, 64,000 bytes" < <(lines "${pods[@]}" to "${hosts[@]}" with "${large[@]}")
    expect "nodes and all pods, 1,400 bytes" < <(lines "${hosts[@]}" to "${pods[@]}" with "${small[@]}")
    expect "nodes and all pods, 64,000 bytes" < <(lines "${hosts[@]}" to "${pods[@]}" with "${large[@]}")
    expect "pods and the outside, 1,400 bytes" < <(lines "${pods[@]}" to world with "${small[@]}")
    expect "pods and the outside, 64,000 bytes" < <(lines "${pods[@]}" to world with "${large[@]}")
    expect "pods and the API server" < <(lines "${pods[@]}" to "$control4" with tcp:6443:0)
    expect "pods and the API server's service" < <(lines "${pods[@]}" to "$api_service4" with tcp:443:0)
    expect "a pod and itself" < <(for node in "${pods[@]}"; do echo "$node $node tcp 7000 1400 yes"; done)
    kubectl delete namespace reach --wait >/dev/null
}
