# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# 200 pods at once, and their times; then none, and nothing of them left.

many=200

# many_pods NUMBER
many_pods() {
    cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: many, name: many}
spec:
  replicas: $1
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many, suite: e2e}}
    spec:
      terminationGracePeriodSeconds: 0
      topologySpreadConstraints:
      - {maxSkew: 5, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule,
         labelSelector: {matchLabels: {app: many}}}
      containers:
      - name: echo
        image: $probe_image
        imagePullPolicy: Never
        args: [serve, "7000"]
        readinessProbe: {tcpSocket: {port: 7000}, periodSeconds: 1}
END
}

are_ready() { [ "$(kubectl -n many get deployment many -o 'jsonpath={.status.readyReplicas}')" = "$1" ]; }
no_pods_in() { [ -z "$(kubectl -n "$1" get pods -o name)" ]; }

# percentiles: median, p99 and maximum of the numbers that it reads.
percentiles() {
    sort -n | awk '{ v[NR] = $1 } END { if (!NR) { print "none"; exit }
        m = int((NR + 1) / 2); p = int(NR * 0.99 + 0.5); if (p < 1) p = 1
        printf "%d of them: median %d ms, p99 %d ms, longest %d ms\n", NR, v[m], v[p], v[NR] }'
}

# sandbox_times SINCE: milliseconds of each sandbox, by what containerd says of its beginning and its end.
sandbox_times() {
    local node
    for node in $(node_names); do
        sed -n '/^time="/p' "$run/logs/$node.containerd.log" | awk -v since="$1" '
            { split($1, t, "\""); if (t[2] < since) next }
            /RunPodSandbox for &PodSandboxMetadata/ {
                match($0, /Uid:[^,]*/); uid = substr($0, RSTART, RLENGTH)
                if ($0 ~ /returns sandbox id/) { if (uid in began) print began[uid], t[2] } else began[uid] = t[2]
            }'
    done | while read -r from to; do
        echo $((($(date -d "$to" +%s%N) - $(date -d "$from" +%s%N)) / 1000000))
    done
}
# add_times: milliseconds of each ADD, as the agent that served it says: from the plugin's start until the pod's programs and
# policy are in the kernel.
add_times() {
    local node
    for node in $(node_names); do
        asks_agent "$node" endpoint list |
            jq '.[] | select(.podNamespace == "many") | .addMilliseconds // empty'
    done
}
# setups_of NODE: how many times containerd has run the plugin for a new pod, and the seconds that all of them took; by its
# own measure, from before the first plugin is started until the last one has ended (loopback is one of them, too).
setups_of() {
    local name=containerd_cri_network_plugin_operations_duration_seconds
    on_node "$1" curl -sf http://127.0.0.1:1338/v1/metrics | awk -v name="^$name.*_(count|sum)[{].*\"set_up_pod\"" '
        $1 ~ name { if ($1 ~ /_count[{]/) n = $2; else s = $2 } END { print n + 0, s + 0 }'
}
all_setups() {
    local node
    for node in $(node_names); do setups_of "$node"; done | awk '{ n += $1; s += $2 } END { print n + 0, s + 0 }'
}
# ready_times: milliseconds from a pod's creation to Ready; Kubernetes keeps whole seconds.
ready_times() {
    local from to fields='{range .items[*]}{.metadata.creationTimestamp} '
    fields+='{.status.conditions[?(@.type=="Ready")].lastTransitionTime}{"\n"}{end}'
    kubectl -n many get pods -o "jsonpath=$fields" | while read -r from to; do
        [ -z "$to" ] || echo $((($(date -d "$to" +%s) - $(date -d "$from" +%s)) * 1000))
    done
}

# asks_agent NODE WORD...: what `skein` on that node answers, as JSON.
asks_agent() {
    local node=$1
    shift
    in_system exec "$(agent_of "$node")" -c agent -- /usr/bin/skein "$@" -o json 2>/dev/null
}
veths() { { on_node "$1" ip -o link show type veth 2>/dev/null || true; } | wc -l; }
# inventory NODE: what pods leave behind if something goes wrong, a fact a line.
inventory() {
    echo "veths $(veths "$1")"
    has_agents || return 0
    echo "endpoints $(asks_agent "$1" endpoint list | jq length)"
    asks_agent "$1" status | jq -r '.podRanges[] | "addresses \(.prefix) \(.used)"'
    asks_agent "$1" map list | jq -r '.[] | select(.name | IN("pods", "policy", "ports", "cidrs")) |
        "map \(.name) \(.entries)"'
}
# Identities go later: the operator waits before it collects one.
identities() { ! has_agents || asks_agent "$1" identity list | jq length; }
is_as_before() { [ "$(inventory "$1")" = "${before[$1]}" ]; }
has_forgotten() { [ "$(identities "$1")" -le "${identities_before[$1]}" ]; }
identities_of_many() {
    kubectl get skeinidentities -o 'jsonpath={range .items[*]}{.spec.labels.namespace}{"\n"}{end}' |
        grep -cx many || true
}
one_identity() { [ "$(identities_of_many)" = 1 ]; }
no_identity_left() { [ "$(identities_of_many)" = 0 ]; }
no_endpoint_left() { ! kubectl get skeinendpointslices -o yaml | grep -q 'namespace: many'; }

# Nobody waits a quarter of an hour here for an identity that is out of use.
be_quick_with_identities() {
    in_system patch deployment skein-operator --type json \
        -p '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--identity-grace=20s"}]' &&
        in_system rollout status deployment skein-operator --timeout 120s
}

topic_many() {
    local began since node setups
    local -A before=() identities_before=()
    heading "$many pods at once ($mode)"
    kubectl create namespace many >/dev/null
    ! has_agents || check "the operator collects identities soon" quietly be_quick_with_identities
    for node in $(node_names); do
        before[$node]=$(inventory "$node") identities_before[$node]=$(identities "$node")
    done
    # Beside the others it says what is due to them.
    quietly kubectl apply -f <(many_pods 1)
    check "one pod alone is ready" within 60 are_ready 1
    ! has_agents || say "its ADD: $(add_times) ms"
    setups=$(all_setups)
    began=$(milliseconds) since=$(date -u +%FT%T)
    many_pods "$many" | kubectl apply -f - >/dev/null
    check "all of them are ready" within 300 are_ready "$many"
    say "after $((($(milliseconds) - began) / 1000)) s"
    ! has_agents || check "three nodes that had to name them at once made one identity" one_identity
    say "from creation to Ready: $(ready_times | percentiles)"
    say "sandboxes (kubelet to containerd and back): $(sandbox_times "$since" | percentiles)"
    say "their networks (containerd, by its own count): $(echo "$setups $(all_setups)" |
        awk '{ n = $3 - $1; if (n) printf "%d of them: mean %d ms", n, ($4 - $2) * 1000 / n; else print "none" }')"
    if has_agents; then
        say "ADDs (the plugin's start until programs and policy are in the kernel): $(add_times | percentiles)"
        check "the agents know how long each ADD took" test "$(add_times | wc -l)" = "$many"
    fi
    began=$(milliseconds)
    kubectl -n many delete deployment many --wait >/dev/null
    check "all of them are deleted" within 180 no_pods_in many
    say "after $((($(milliseconds) - began) / 1000)) s"
    for node in $(node_names); do
        check "$node is as it was before: links, addresses, map rows" within 60 is_as_before "$node"
        is_as_before "$node" || diff <(echo "${before[$node]}") <(inventory "$node") | quote || true
    done
    if has_agents; then
        check "no slice names one of them" within 60 no_endpoint_left
        check "the operator has collected their identities" within 300 no_identity_left
        for node in $(node_names); do check "$node has forgotten them" within 60 has_forgotten "$node"; done
    fi
    kubectl delete namespace many --wait >/dev/null
}
