# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Control groups: every hierarchy of the machine has a group of the lab, and in
# it one for each node, which is the root of all that the node sees. Programs
# attached to one node's group concern that node alone.

cgroup_top=/sys/fs/cgroup

# cgroup_hierarchies: their folders, one a line. The hybrid layout has one for each controller and one of version 2.
cgroup_hierarchies() {
    local folder
    for folder in "$cgroup_top"/*/; do
        folder=${folder%/}
        [ -L "$folder" ] || [ ! -e "$folder/cgroup.procs" ] || echo "$folder"
    done
}

need_cgroups() {
    [ -e "$cgroup_top/memory/cgroup.procs" ] && [ -e "$cgroup_top/unified/cgroup.procs" ] ||
        die "the lab knows the hybrid layout of control groups only: version 1 below $cgroup_top, version 2 in unified"
}

make_cgroups() { # NODE
    local hierarchy
    while read -r hierarchy; do
        mkdir -p "$hierarchy/$prefix"
        # A group without processors or memory of its own takes nobody in.
        [ ! -e "$hierarchy/$prefix/cgroup.clone_children" ] || [ "${hierarchy##*/}" != cpuset ] || {
            cat "$hierarchy/cpuset.cpus" >"$hierarchy/$prefix/cpuset.cpus"
            cat "$hierarchy/cpuset.mems" >"$hierarchy/$prefix/cpuset.mems"
            echo 1 >"$hierarchy/$prefix/cgroup.clone_children"
        }
        mkdir -p "$hierarchy/$prefix/$1"
    done < <(cgroup_hierarchies)
    mkdir -p "$(system_group "$1")"
}

# system_group NODE: for its daemons, as an init system has one. Beside the group of all its pods, each of their processes
# would weigh as much as that whole group.
system_group() { echo "$cgroup_top/cpu/$prefix/$1/system"; }
enter_system_group() { echo "$BASHPID" >"$(system_group "$1")/cgroup.procs"; } # NODE

# enter_cgroups NODE: the calling process. It may become another program right after this, which would keep a helper that
# nobody has waited for as a child, and as a zombie.
enter_cgroups() {
    local hierarchy
    for hierarchy in $(cgroup_hierarchies); do echo "$BASHPID" >"$hierarchy/$prefix/$1/cgroup.procs"; done
}

# processes_in_cgroups: of all the lab's groups, one id a line.
processes_in_cgroups() {
    { find "$cgroup_top"/*/"$prefix" -name cgroup.procs -exec cat {} + 2>/dev/null || true; } | sort -un
}

cgroups_are_empty() { [ -z "$(processes_in_cgroups)" ]; }
cgroup_folders() { find "$cgroup_top"/*/"$prefix" -type d 2>/dev/null || true; }

drop_cgroups() {
    # Children first; a group that has just lost its last process may say for a moment that it is busy.
    local folders
    folders=$(cgroup_folders | sort -r)
    [ -z "$folders" ] || xargs -d '\n' rmdir 2>/dev/null <<<"$folders" || true
    [ -z "$(cgroup_folders)" ]
}
