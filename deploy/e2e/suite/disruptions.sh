# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What may fail fails, under traffic that is counted: none of it is lost.

api_is_ready() { kubectl get --raw /readyz; }
api_is_back() { [ "$(api_is_ready 2>/dev/null)" = ok ]; }
has_passed() { [ "$(milliseconds)" -ge "$1" ]; }
agent_pid() { on_node "$1" pgrep -x skein-agent | head -n 1; }
has_other_agent() { # NODE PID
    local pid
    pid=$(agent_pid "$1") && [ -n "$pid" ] && [ "$pid" != "$2" ]
}
new_pod_works() { # NAME NODE
    probe_pod break "$1" "$2" 'of: later' | kubectl apply -f - >/dev/null && within 180 pods_are_ready break &&
        learn_pods && asked 3000 < <(lines client "$1" to "$1" client with tcp:7000:64) >/dev/null
}

api_server_away() {
    local until
    "$e2e/cluster.sh" kill kube-apiserver
    until=$(($(milliseconds) + 60000))
    # A minute is what is asked for, so it is waited for; the loads have to go on in all of it.
    while ! has_passed "$until"; do goes_on across || break; done
    check "the API server is away for a minute: connections go on" has_passed "$until"
    "$e2e/cluster.sh" start kube-apiserver
    check "it is back" within 60 api_is_back
    nothing_lost "the API server killed for a minute"
    check "all nodes are ready" within 60 all_nodes node_is_ready
    check "a new pod gets its network" new_pod_works after-api node2
}

# Killed and replaced at once: kubelet itself waits longer before each restart, up to five minutes.
agent_killed() {
    local round node pid
    for round in {1..20}; do
        node=node$((round % $(node_names | wc -l) + 1))
        pid=$(agent_pid "$node")
        on_node "$node" kill -9 "$pid"
        in_system delete pod "$(agent_of "$node")" --force --grace-period=0 --wait=false >/dev/null 2>&1 || true
        within 60 has_other_agent "$node" "$pid" && within 60 agent_is_ready "$node" ||
            { check "the agent of $node is back, time $round" false; return; }
    done
    check "20 times killed, 20 times back" within 60 agents_are_ready
    nothing_lost "the agent killed 20 times"
    check "a new pod gets its network" new_pod_works after-kills node1
}

runtime_restarted() {
    "$e2e/cluster.sh" stop node1.containerd
    "$e2e/cluster.sh" start node1.containerd
    check "containerd is back" within 30 quietly on_node node1 "$bin/ctr" version
    check "its node is ready" within 60 node_is_ready node1
    nothing_lost "containerd restarted"
    check "a new pod gets its network" new_pod_works after-containerd node1
}

agents_rolled() {
    in_system rollout restart daemonset/skein-agent >/dev/null
    check "the DaemonSet is rolled" quietly kubectl -n kube-system rollout status daemonset/skein-agent --timeout 180s
    nothing_lost "the DaemonSet rolled"
    check "a new pod gets its network" new_pod_works after-roll node3
}

topic_disruptions() {
    heading "What fails under traffic ($mode)"
    kubectl create namespace break >/dev/null
    {
        probe_pod break client node1 'of: load'
        probe_pod break server node2 'of: load'
    } | kubectl apply -f - >/dev/null
    check "pods are ready" within 180 pods_are_ready break
    learn_pods
    check "20 connections within a node are held, 10 a second are opened, by each family" \
        start_load break within node2 'of: load' 20 20 server
    check "and between nodes" start_load break across node1 'of: load' 20 20 server
    check "and to the outside" start_load break out node3 'of: load' 20 20 world
    show_loads
    runtime_restarted
    api_server_away
    if has_agents; then
        agent_killed
        agents_rolled
    fi
    end_loads
    kubectl delete namespace break --wait >/dev/null
}
