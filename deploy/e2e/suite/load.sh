# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Traffic that is counted: pods that hold connections and open more. Their counts
# lie in a file of their node, so they are read without the API server, too.

loads=/run/skein-load
declare -A load_node

# load_pod NAMESPACE NAME NODE LABELS HELD PER-SECOND NAME-OF-SERVER
load_pod() {
    cat <<END
apiVersion: v1
kind: Pod
metadata: {namespace: $1, name: $2, labels: {suite: load, $4}}
spec:
  nodeName: $3
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  containers:
  - name: load
    image: $probe_image
    imagePullPolicy: Never
    args: [load, "$loads/$2", "7000", "$5", "$6", "${address4[$7]}", "${address6[$7]}"]
    volumeMounts: [{name: counts, mountPath: $loads}]
  volumes: [{name: counts, hostPath: {path: $loads, type: DirectoryOrCreate}}]
---
END
}

# start_load NAMESPACE NAME NODE LABELS HELD PER-SECOND NAME-OF-SERVER: and waits until all of its connections speak.
start_load() {
    load_node[$2]=$3
    on_node "$3" rm -f "$loads/$2"
    load_pod "$@" | kubectl apply -f - >/dev/null
    within 60 load_is_up "$2" $((2 * $5))
}
end_loads() {
    kubectl delete pods -A -l suite=load --force --grace-period=0 --wait >/dev/null 2>&1 || true
    load_node=()
}

counts() { on_node "${load_node[$1]}" cat "$loads/$1" 2>/dev/null; }
# count NAME WORD
count() { counts "$1" | tr ' ' '\n' | sed -n "/^$2\$/{n;p}"; }
load_is_up() { # NAME HELD
    [ "$(count "$1" held)" = "$2" ] && [ "$(count "$1" broken)" = 0 ] && [ "$(count "$1" silent)" = 0 ] &&
        [ "$(count "$1" echoed)" -ge $((2 * $2)) ]
}
all_speak() { [ "$(count "$1" broken)" = 0 ] && [ "$(count "$1" silent)" = 0 ]; }
all_are_silent() { [ "$(count "$1" silent)" = "$(($(count "$1" held) - $(count "$1" broken)))" ]; }
none_failed() { [ "$(count "$1" failed)" = 0 ]; }
has_grown() { [ "$(count "$1" "$2")" -gt "$3" ]; }
# goes_on NAME: more messages come back, on all that are held, and new connections too.
goes_on() {
    local echoed opened
    echoed=$(count "$1" echoed) opened=$(count "$1" opened)
    within 40 has_grown "$1" echoed $((echoed + $(count "$1" held))) && within 40 has_grown "$1" opened "$opened" &&
        within 30 all_speak "$1"
}
show_loads() {
    local name
    for name in "${!load_node[@]}"; do printf '%-10s %s\n' "$name" "$(counts "$name")"; done | sort | quote
}
# nothing_lost WHAT: of any load, and all go on.
nothing_lost() {
    local name
    for name in "${!load_node[@]}"; do
        check "$1: all of $name speak, none was lost" goes_on "$name"
        check "$1: and none that $name opened failed" none_failed "$name"
    done
    show_loads
}
