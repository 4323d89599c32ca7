#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One agent in a large cluster. The API server and etcd are real, and hold
# thousands of nodes, slices, identities and policies; the one node that has an
# agent is a network namespace with pods that nobody runs. Pods of the other
# nodes come and go, fifty times a second, and the rows of the agent's map are
# watched. Prints a table; fails if a goal is missed.
#
# usage: scale.sh [--out FILE] [OPTION OF skein-scale measure]...
#
#   SIZES='--nodes 500 --endpoints 5000 --identities 500 --policies 200' for a smaller cluster (skein-scale fill --help)
#   KEEP=1 leaves all of it running (cluster.sh down ends it)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/process.sh
. "$here/lib/process.sh"
# shellcheck source=lib/network.sh
. "$here/lib/network.sh"
# shellcheck source=lib/control.sh
. "$here/lib/control.sh"

programs=${SKEIN_BIN_DIR:-$here/../../build/bin}
objects=${SKEIN_BPF_DIR:-$here/../../build/bpf}
scale=${SKEIN_SCALE:-$here/../../.build/release/skein-scale}
node=node1 health_port=9879
# Beside what cluster.sh keeps, so that its end is that of all.
folder=$run/scale
read -r -a sizes <<<"${SIZES:-}"
need_root
for program in "$scale" "$programs"/skein-{agent,operator,cni}; do
    [ -x "$program" ] || die "no program $program: make e2e-scale"
done

end() {
    local status=$?
    trap - EXIT
    [ -n "${KEEP:-}" ] || [ ! -d "$run" ] || "$here/cluster.sh" down || status=1
    [ "$status" -eq 0 ] || [ ! -d "$run/logs" ] || say "logs: $run/logs" >&2
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

definitions_are_there() {
    kubectl wait --for condition=established --timeout 1s -f "$here/../crds" >/dev/null 2>&1
}

in_node() { in_network "$node" "$@"; }
driver() { # COMMAND ARGUMENTS...
    in_network control "$scale" "$@" "${sizes[@]}" --kubeconfig "$admin"
}

define_agent() {
    mkdir -p "$folder/run"
    process_define agent nsenter --net="$(netns_path "$node")" -- "$programs/skein-agent" --kubeconfig "$admin" \
        --node-name "$node" --run-dir "$folder/run" --bpffs "$folder/bpf" --bpf-dir "$objects" \
        --health-port "$health_port"
}

# start_process NAME: when the lab's end ends it, this shell has nothing to say to it.
start_process() {
    process_start "$1"
    disown -a
}

agent_is_ready() {
    # shellcheck disable=SC2016 # for the other shell
    in_node bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET /readyz HTTP/1.0\r\n\r\n" >&3 &&
        read -r -t 5 line <&3 && [[ $line == *" 200 "* ]]' "$health_port"
}

# start_agent: sets `took` to the seconds until it serves ADD.
start_agent() {
    local began=${EPOCHREALTIME/[.,]/}
    start_process agent
    await 120 agent "the agent is ready" agent_is_ready
    printf -v took '%d.%06d' $(((${EPOCHREALTIME/[.,]/} - began) / 1000000)) \
        $(((${EPOCHREALTIME/[.,]/} - began) % 1000000))
}

# start_operator: it has to keep from collecting what has no Node.
start_operator() {
    in_control operator "$programs/skein-operator" --kubeconfig "$admin" --lease-namespace kube-system \
        --crd-dir "$here/../crds" --node-grace 100h --health-address none
    start_process operator
}

# add_pod NUMBER NAMESPACE NAME UID: its network, as the container runtime asks for it.
add_pod() {
    network_add "pod$1"
    printf '{"cniVersion":"0.4.0","name":"skein","type":"skein-cni","socket":"%s","runDirectory":"%s"}' \
        "$folder/run/agent.sock" "$folder/run" |
        in_node env CNI_COMMAND=ADD CNI_CONTAINERID="scale-$1" CNI_NETNS="$(netns_path "pod$1")" CNI_IFNAME=eth0 \
            CNI_PATH="$programs" CNI_ARGS="K8S_POD_NAMESPACE=$2;K8S_POD_NAME=$3;K8S_POD_UID=$4" \
            "$programs/skein-cni" >"$run/logs/add.log" || die "ADD of $2/$3: $(<"$run/logs/add.log")"
}

add_pods() {
    local number=0 line
    while read -r -a line; do
        number=$((number + 1))
        add_pod "$number" "${line[@]}"
    done < <(kubectl get pods -A --field-selector "spec.nodeName=$node" -o \
        'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name} {.metadata.uid}{"\n"}{end}')
    say "$number pods"
}

heading "The control plane"
"$here/cluster.sh" up 0
# There is no work for them here, and they would have their own copy of all of it.
"$here/cluster.sh" stop kube-controller-manager
"$here/cluster.sh" stop kube-scheduler
kubectl apply -f "$here/../crds" >/dev/null
within 30 definitions_are_there || die_with_log kube-apiserver "the API server does not serve Skein's objects"

heading "The cluster"
driver fill

heading "The node"
mkdir -p "$folder"
make_node_network "$node"
start_operator
define_agent
start_agent
first=$took
say "the agent is ready after $first s"
add_pods
process_stop agent
start_agent
say "started again, it is ready after $took s"

heading "Changes"
driver measure --agent "$(process_pid agent)" --operator "$(process_pid operator)" --bpffs "$folder/bpf" \
    --link "$node" --first-start "$first" --restart "$took" "$@"
