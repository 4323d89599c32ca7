# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lab's images: what they are made of, and how they come into a node's
# containerd. Pods that use one say `imagePullPolicy: Never`.

# shellcheck source=../../image/pack.sh
. "$e2e/../image/pack.sh"

image_file() { echo "$cache/images/$1.tar"; }

# busybox_root FOLDER: a root with busybox under all of its names.
busybox_root() {
    mkdir -p "$1"/{bin,etc,tmp,root}
    chmod 1777 "$1/tmp"
    cp "$bin/busybox" "$1/bin/"
    "$bin/busybox" --list | grep -vx busybox | xargs -I{} ln -s busybox "$1/bin/{}"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
}

# copy_programs FOLDER PROGRAM...: programs of this machine, with the libraries that they are linked with.
copy_programs() {
    local folder=$1 program path
    shift
    for program; do
        path=$(command -v "$program") || die "no program $program here"
        rm -f "$folder/bin/$program"
        cp -L "$path" "$folder/bin/$program"
        add_libraries "$folder" "$path"
    done
}

# build_images: the two that the lab itself needs; again only when they are missing.
build_images() {
    [ ! -e "$(image_file agnhost)" ] || [ ! -e "$(image_file pause)" ] || return 0
    local work
    work=$(mktemp -d "$cache/images.XXXXXX")
    mkdir -p "$cache/images"
    mkdir -p "$work/pause"
    cp "$bin/busybox" "$work/pause/sh"
    # Holds a pod's namespaces: sleeps, and leaves at once when it is asked to.
    make_image "$pause_image" "$work/pause" "$(image_file pause)" \
        /sh -c "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait; done"
    busybox_root "$work/agnhost"
    # The static busybox has no resolver, and so its network programs are of no use.
    copy_programs "$work/agnhost" bash curl ip perl ping socat ss
    cp "$bin/agnhost" "$work/agnhost/"
    make_image "$agnhost_image" "$work/agnhost" "$(image_file agnhost)" /agnhost
    rm -rf "$work"
}

# load_image FILE NODE...: into all of them at once.
load_image() {
    local file=$1 node pid
    local -a pids=()
    shift
    for node; do
        on_node "$node" "$bin/ctr" -n k8s.io images import - <"$file" >>"$run/logs/images.log" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || die_with_log images "could not import $file"; done
}
