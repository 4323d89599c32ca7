# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What gives pods their network: Skein, installed as an operator does it, or the
# lab's plain bridge, which has no policy and shows that the suite itself works.

# network: skein or bridge. mode: tunnel or native, of skein.
has_policy() { [ "$network" = skein ]; }
has_agents() { [ "$network" = skein ]; }
skein_image_file=$e2e/../../build/skein-image.tar

in_system() { kubectl -n kube-system "$@"; }
node_is_ready() {
    [ "$(kubectl get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]
}
all_nodes() { # CONDITION
    local node
    for node in $(node_names); do "$@" "$node" || return 1; done
}

# agent_of NODE: the name of its pod.
agent_of() {
    in_system get pods -l app.kubernetes.io/name=skein-agent --field-selector "spec.nodeName=$1" \
        -o 'jsonpath={.items[0].metadata.name}' 2>/dev/null
}
agent_is_ready() { # NODE
    in_system get pods -l app.kubernetes.io/name=skein-agent --field-selector "spec.nodeName=$1" -o \
        'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' 2>/dev/null |
        grep -qx True
}
agents_are_ready() {
    [ "$(in_system get daemonset skein-agent -o \
        'jsonpath={.status.numberReady} {.status.updatedNumberScheduled} {.status.numberUnavailable}')" = \
        "$(node_names | wc -l) $(node_names | wc -l) " ]
}
operator_is_ready() { [ "$(in_system get deployment skein-operator -o 'jsonpath={.status.readyReplicas}')" = 2 ]; }
kinds_are_served() {
    local kind
    for kind in skeinnetworkpolicies skeinclusternetworkpolicies skeinidentities skeinendpointslices skeinnodes; do
        kubectl get --raw "/apis/skein.dev/v1/$kind?limit=1" >/dev/null 2>&1 || return 1
    done
}

network_up() {
    local began
    began=$(milliseconds)
    case $network in
        bridge) give_bridge ;;
        skein) install_skein ;;
    esac
    check "all nodes are ready" within 180 all_nodes node_is_ready
    say "after $(($(milliseconds) - began)) ms"
}

install_skein() {
    local folder=$e2e/../manifests
    [ "$mode" = tunnel ] || folder=$e2e/../overlays/$mode
    mapfile -t nodes < <(node_names)
    load_image "$skein_image_file" "${nodes[@]}"
    check "kubectl apply -k deploy/${folder#"$e2e/../"}" quietly kubectl apply -k "$folder"
    check "the operator is ready" within 180 operator_is_ready
    check "Skein's kinds are served" within 120 kinds_are_served
    check "an agent on every node is ready" within 180 agents_are_ready
}

nothing_of_skein_on() { # NODE
    local found
    found=$(on_node "$1" sh -c '
        ls -d /sys/fs/bpf/skein /run/skein /opt/cni/bin/skein-cni /etc/cni/net.d/*skein* 2>/dev/null
        ip -o link | grep -oE "(skn|skein)[^:@]*"')
    [ -z "$found" ] || { say "$1 has $(tr '\n' ' ' <<<"$found")"; return 1; }
}
nothing_of_skein_in_api() {
    local found
    found=$({ kubectl get crd -o name; kubectl get clusterroles,clusterrolebindings -o name
        in_system get all,roles,rolebindings,serviceaccounts,leases -o name; } 2>/dev/null | grep skein)
    [ -z "$found" ] || { say "there is $(tr '\n' ' ' <<<"$found")"; return 1; }
}

# network_down: as an operator takes it off. The pods of the suite are gone before.
network_down() {
    [ "$network" = skein ] || return 0
    check "deploy/uninstall.sh" quietly env KUBECTL="$e2e/cluster.sh kubectl" "$e2e/../uninstall.sh"
    check "no program, map, device, file or configuration is left on any node" all_nodes nothing_of_skein_on
    check "and nothing in the API" nothing_of_skein_in_api
    check "a second time is no error" quietly env KUBECTL="$e2e/cluster.sh kubectl" "$e2e/../uninstall.sh"
}

# quietly COMMAND...: its output only if it fails.
quietly() {
    local output
    output=$("$@" 2>&1) || { tail -n 20 <<<"$output" | quote; return 1; }
}
