#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A Kubernetes cluster on this machine: a control plane and nodes in namespaces
# of their own, joined by a fabric that leads nowhere else. Pods get no network
# until somebody puts a CNI configuration and its programs into
# <run>/nodes/<node>/cni/{net.d,bin} or, as a DaemonSet does, into the node's
# /etc/cni/net.d and /opt/cni/bin: until then the nodes are not ready.
#
# usage: cluster.sh up [NODES]          three by default; 0: the control plane alone
#        cluster.sh down                ends it; its logs stay
#        cluster.sh status
#        cluster.sh kubectl ARGUMENTS   as the administrator
#        cluster.sh on NODE COMMAND     as a process of the node (also: on world|control COMMAND)
#        cluster.sh start|stop|kill PROCESS    see `status` for their names
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/process.sh
. "$here/lib/process.sh"
# shellcheck source=lib/network.sh
. "$here/lib/network.sh"
# shellcheck source=lib/cgroup.sh
. "$here/lib/cgroup.sh"
# shellcheck source=lib/pki.sh
. "$here/lib/pki.sh"
# shellcheck source=lib/control.sh
. "$here/lib/control.sh"
# shellcheck source=lib/node.sh
. "$here/lib/node.sh"
# shellcheck source=lib/images.sh
. "$here/lib/images.sh"
# shellcheck source=lib/clean.sh
. "$here/lib/clean.sh"

usage() { sed -n '/^# usage/,/^set/s/^# //p' "$0" >&2; exit 2; }

# take_turn: one `up` or `down` at a time. The lock itself is held only while the file that says whose turn it is
# changes: held for longer, it would go on to every program that this script starts, and outlive the script with them.
take_turn() {
    local other
    exec 8>>"$run.turn"
    flock 8
    other=$(<"$run.turn")
    [ -z "$other" ] || ! stamp_is_alive "$other" || die "another call is at work: process ${other%% *}"
    process_stamp $$ >"$run.turn"
    exec 8>&-
}

lab_is_up() {
    [ -e "$run/up" ] || return 1
    local name
    for name in $(process_names); do process_is_alive "$name" || return 1; done
}

up() {
    local count=${1:-nodes=3} node began
    count=${count#nodes=}
    local -a nodes=()
    [[ $count =~ ^[0-9]$ ]] || die "0 to 9 nodes, not '$count'"
    if lab_is_up; then
        [ "$(node_names | wc -l)" -eq "$count" ] || die "a lab of $(node_names | wc -l) nodes is up: 'down' first"
        say "it is up already"
        return
    fi
    [ -d "$run/processes" ] || [ -z "$(network_names)" ] ||
        die "there is a lab already, with another run folder than $run: 'down' first"
    need_cgroups
    "$here/build-kubernetes.sh"
    [ "$count" -eq 0 ] || "$here/images.sh" build
    clean_lab
    rm -rf "$run/logs"
    began=$(milliseconds)
    trap 'say "what has started is left to look at; $0 down ends it" >&2' EXIT
    mkdir -p "$run/logs"
    chmod 755 "$run"
    for ((node = 1; node <= count; node++)); do nodes+=("node$node"); done
    make_fabric
    make_pki "${nodes[@]}"
    start_control_plane
    make_world
    said "control plane" "$began"
    for node in "${nodes[@]}"; do start_node_runtime "$node"; done
    if [ "$count" -gt 0 ]; then
        load_image "$(image_file pause)" "${nodes[@]}"
        load_image "$(image_file agnhost)" "${nodes[@]}"
        said "containerd on $count nodes, with images" "$began"
    fi
    for node in "${nodes[@]}"; do start_node_agents "$node"; done
    for node in "${nodes[@]}"; do await 60 "$node.kubelet" "$node is registered" node_is_known "$node"; done
    [ "$count" -eq 0 ] || await 60 kube-controller-manager "the controllers are at work" controllers_are_at_work
    : >"$run/up"
    trap - EXIT
    [ "$count" -eq 0 ] || said "nodes are registered, controllers at work" "$began"
}

said() { # WHAT BEGAN
    local tenths=$((($(milliseconds) - $2) / 100))
    printf '   %-44s after %2d.%d s\n' "$1" $((tenths / 10)) $((tenths % 10))
}

status() {
    local name mark found=0
    for name in $(process_names); do
        found=1
        mark=$no_mark
        ! process_is_alive "$name" || mark=$yes_mark
        printf '   %s %-28s %8s  %s\n' "$mark" "$name" "$(process_pid "$name")" "$run/logs/$name.log"
    done
    [ "$found" -eq 1 ] || { say "nothing is up"; return 1; }
    kubectl get nodes -o wide 2>&1 | quote
    lab_is_up
}

# The first process of a node is the node: it has no second life.
control() { # start|stop|kill PROCESS
    [[ $2 != *.init ]] || die "$2 ends with the lab"
    [ -d "$run/processes/$2" ] || die "no process $2; there are: $(process_names | tr '\n' ' ')"
    case $1-$2 in
        start-*.*) start_in_node "$2" ;;
        start-*) process_start "$2" ;;
        stop-*) process_stop "$2" ;;
        kill-*) process_stop "$2" KILL ;;
    esac
}

enter() { # PLACE COMMAND...
    case $1 in
        world | control) in_network "$@" ;;
        *)
            [ -e "$(node_folder "$1")/init" ] || die "no node $1; there are: $(node_names | tr '\n' ' ')"
            on_node "$@"
            ;;
    esac
}

[ $# -gt 0 ] || usage
need_root
verb=$1
shift
case $verb in
    up) take_turn; up "$@" ;;
    down) take_turn; clean_lab ;;
    status) status ;;
    kubectl) kubectl "$@" ;;
    on) [ $# -gt 1 ] || usage; enter "$@" ;;
    start | stop | kill) [ $# -eq 1 ] || usage; control "$verb" "$1" ;;
    *) usage ;;
esac
