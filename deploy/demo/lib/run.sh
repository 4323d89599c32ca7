# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# One run of the demo owns a folder, network namespaces, and the processes in
# them. Everything is named after the folder, so that runs never meet, and
# written down in it, so that stop.sh can clean up after a run that was killed.
#
#   <run>/owner       process that leads the run: its id and start time
#   <run>/kept        exists when the run is meant to outlive its leader
#   <run>/namespaces  one name a line
#   <run>/bpf         bpffs with the datapath's pins

run_pattern=/run/skein-demo.

# process_stamp PID: "<pid> <start time>", which no other process will ever have; fails if there is none.
process_stamp() {
    local fields
    fields=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    fields=${fields##*) }
    # shellcheck disable=SC2086 # fields of /proc/pid/stat, from the third on
    set -- "$1" $fields
    echo "$1 ${21}"
}

run_begin() {
    run=$(mktemp -d "${run_pattern}XXXXXX")
    id=${run#"$run_pattern"}
    : >"$run/namespaces"
    process_stamp $$ >"$run/owner"
    mkdir "$run/bpf" "$run/manifests" "$run/agent" "$run/logs" "$run/net" "$run/denylists"
    mount -t bpf bpf "$run/bpf"
}

netns_path() { echo "/run/netns/skein-demo-$id-$1"; }
netns_add() {
    echo "skein-demo-$id-$1" >>"$run/namespaces"
    ip netns add "skein-demo-$id-$1"
    inside "$1" ip link set lo up
}
# inside NAME COMMAND...: with the namespace's network, and everything else as it is.
inside() {
    local path
    path=$(netns_path "$1")
    shift
    nsenter --net="$path" -- "$@"
}

# run_is_alive FOLDER: its leader still leads it.
run_is_alive() {
    local stamp
    read -r stamp <"$1/owner" && [ "$(process_stamp "${stamp%% *}")" = "$stamp" ]
}

no_processes_in() {
    local name
    for name; do [ -z "$(ip netns pids "$name" 2>/dev/null)" ] || return 1; done
}

# run_clean FOLDER: ends and removes all that the run made. Succeeds again when there is nothing left.
run_clean() {
    local folder=$1 name signal
    local -a names=()
    [ ! -f "$folder/namespaces" ] || mapfile -t names <"$folder/namespaces"
    for signal in TERM KILL; do
        for name in "${names[@]}"; do
            # These namespaces are the run's own: who lives there is its own, too.
            ip netns pids "$name" 2>/dev/null | xargs -r kill -"$signal" 2>/dev/null || true
        done
        ! within 5 no_processes_in "${names[@]}" || break
    done
    ! mountpoint -q "$folder/bpf" || umount "$folder/bpf" || true
    for name in "${names[@]}"; do
        [ ! -e "/run/netns/$name" ] || ip netns del "$name" || true
    done
    run_is_clean "$folder" && rm -rf "$folder"
}

run_is_clean() {
    local name
    ! mountpoint -q "$1/bpf" || return 1
    [ ! -f "$1/namespaces" ] || while read -r name; do
        [ ! -e "/run/netns/$name" ] || return 1
    done <"$1/namespaces"
}
