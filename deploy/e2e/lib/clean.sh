# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The end of a lab. Nothing here relies on how far its start came: what is not
# there is passed over, and what does not go is named.

networks_are_empty() {
    local name
    for name in $(network_names); do [ -z "$(ip netns pids "$prefix-$name" 2>/dev/null)" ] || return 1; done
}

lab_mounts() { awk -v run="$run/" 'index($5, run) == 1 { print $5 }' /proc/self/mountinfo; }

# leftovers: what is there of a lab, one thing a line; nothing when there is none.
leftovers() {
    local name
    for name in $(process_names); do ! process_is_alive "$name" || echo "process $name ($(process_pid "$name"))"; done
    processes_in_cgroups | sed 's/^/process in a control group: /'
    # Others may be making and removing theirs at this moment.
    ip netns list 2>/dev/null | sed -nE "s/^($prefix-[^ ]+).*/network namespace \\1/p"
    lab_mounts | sed 's/^/mount /'
    cgroup_folders | sed 's/^/control group /'
}

# clean_lab: ends all of it. Its logs stay.
clean_lab() {
    local name signal pid
    # Nothing here is kept, so nobody gets the time to end well: the daemons first, that none restarts what ends; with
    # the first process of a node all others of it go.
    for name in $(process_names); do [ "${name##*.}" = init ] || process_signal "$name" KILL; done
    for name in $(process_names); do process_signal "$name" KILL; done
    for name in $(process_names); do within 30 process_is_gone "$name" || true; done
    # Who else lives in the lab's own groups and networks: commands that somebody ran there.
    for signal in TERM KILL; do
        { processes_in_cgroups; for name in $(network_names); do ip netns pids "$prefix-$name"; done; } 2>/dev/null |
            while read -r pid; do [ "$pid" = $$ ] || kill -"$signal" "$pid" 2>/dev/null || true; done
        ! within 10 cgroups_are_empty || ! within 10 networks_are_empty || break
    done
    lab_mounts | sort -r | while read -r name; do umount --lazy "$name" || true; done
    for name in $(network_names); do drop_network "$name" || true; done
    within 30 drop_cgroups || true
    if [ -n "$(leftovers)" ]; then
        leftovers | quote >&2
        die "these did not go"
    fi
    [ ! -d "$run" ] || find "$run" -xdev -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf --one-file-system {} +
    [ ! -d "$run" ] || rmdir "$run" 2>/dev/null || true
}
