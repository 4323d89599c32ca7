#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Is the lab a Kubernetes? Starts it, looks whether it keeps custom resources,
# gives its pods a plain bridge (Debian's CNI plugins and routes between the
# nodes), runs pods, looks whether they reach each other, ends it, and looks for
# what is left. None of Skein is used.
#
# KEEP=1 leaves it running; `cluster.sh down` ends it.
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
# shellcheck source=lib/node.sh
. "$here/lib/node.sh"
# shellcheck source=lib/images.sh
. "$here/lib/images.sh"
# shellcheck source=lib/clean.sh
. "$here/lib/clean.sh"
# shellcheck source=lib/bridge.sh
. "$here/lib/bridge.sh"
# shellcheck source=lib/facts.sh
. "$here/lib/facts.sh"
# shellcheck source=lib/resources.sh
. "$here/lib/resources.sh"
need_root

pods=12
finish() {
    local status=$?
    trap - EXIT
    if [ -n "${KEEP:-}" ]; then
        say "kept; look around with: $here/cluster.sh kubectl get pods -A"
    else
        "$here/cluster.sh" down || status=1
    fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# seen PATH OBJECT...: what kubectl prints for a JSON path.
seen() {
    local path=$1
    shift
    kubectl get "$@" -o "jsonpath=$path" 2>/dev/null
}
ready_message() { seen '{.status.conditions[?(@.type=="Ready")].message}' node "$1"; }
waits_for_network() { [[ $(ready_message "$1") == *"cni plugin not initialized"* ]]; }
# all_nodes CONDITION: a command that holds of each node.
all_nodes() {
    local node
    for node in $(node_names); do "$@" "$node" || return 1; done
}
node_is_ready() { [ "$(seen '{.status.conditions[?(@.type=="Ready")].status}' node "$1")" = True ]; }
both_families() { [[ "$1" == *.*" "*:* ]]; }
node_has_ranges() { both_families "$(seen '{.spec.podCIDRs[0]} {.spec.podCIDRs[1]}' node "$1")"; }
node_has_addresses() { both_families "$(seen '{.status.addresses[?(@.type=="InternalIP")].address}' node "$1")"; }
running() { [ "$(seen '{.status.readyReplicas}' deployment web)" = "$pods" ]; }

start_pods() {
    kubectl apply -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: $pods
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule,
         labelSelector: {matchLabels: {app: web}}}
      containers:
      - name: web
        image: $agnhost_image
        imagePullPolicy: Never
        args: [netexec, --http-port=8080]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ipFamilyPolicy: PreferDualStack, ports: [{port: 80, targetPort: 8080}]}
END
}

# The pods, in the order of names: node, name, IPv4, IPv6.
list_pods() {
    kubectl get pods -l app=web -o \
        'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name} {.status.podIPs[*].ip}{"\n"}{end}'
}
url() { if [[ $1 == *:* ]]; then echo "http://[$1]:$2/$3"; else echo "http://$1:$2/$3"; fi; }
# fetch POD ADDRESS PORT PATH: what the address answers to the pod.
fetch() { kubectl exec "$1" -- curl -s -m 3 "$(url "$2" "$3" "$4")" </dev/null; }
answers() { [ "$(fetch "$1" "$2" 8080 hostname)" = "$3" ]; }
reach_each_other() { # FIELD: one pod of each node asks a pod of each other node
    local from from_node to to_node addresses
    while read -r from_node from _; do
        while read -r to_node to addresses; do
            [ "$from_node" = "$to_node" ] || answers "$from" "$(cut -d' ' -f"$1" <<<"$addresses")" "$to" || {
                say "$from on $from_node does not reach $to on $to_node ($addresses)"
                return 1
            }
        done < <(list_pods | sort -u -k1,1)
    done < <(list_pods | sort -u -k1,1)
}
executes() { [ "$(kubectl exec "$first_pod" -- hostname)" = "$first_pod" ]; }
service_answers() { [[ $(fetch "$first_pod" "$1" 80 hostname) == web-* ]]; }
outside_answers() { [ -n "$(fetch "$first_pod" "$1" 8080 hostname)" ]; }
api_answers() {
    local folder=/var/run/secrets/kubernetes.io/serviceaccount/
    kubectl exec "$first_pod" -- sh -c "curl -s -m 3 --cacert ${folder}ca.crt \
        -H \"Authorization: Bearer \$(cat ${folder}token)\" https://$api_service4/version" |
        grep -q "v$kubernetes_version"
}
nothing_left() { [ -z "$(leftovers)" ] || { leftovers | quote; return 1; }; }

heading "A control plane and three nodes"
"$here/cluster.sh" up
check "without a CNI configuration no node is ready" within 60 all_nodes waits_for_network
check "every node has a range of each family" within 20 all_nodes node_has_ranges
check "every node has an address of each family" all_nodes node_has_addresses
check_agent_starts

heading "Custom resources"
check_resources

heading "A plain bridge"
began=$(milliseconds)
give_bridge
check "all nodes are ready" within 60 all_nodes node_is_ready
say "after $(($(milliseconds) - began)) ms"
began=$(milliseconds)
start_pods >/dev/null
check "$pods pods are ready" within 120 running
say "after $(($(milliseconds) - began)) ms"
list_pods | column -t | quote
read -r _ first_pod _ < <(list_pods)
check "kubectl exec" executes
check "pods of different nodes, IPv4" reach_each_other 1
check "pods of different nodes, IPv6" reach_each_other 2
check "a service, IPv4" within 10 service_answers "$(seen '{.spec.clusterIPs[0]}' service web)"
check "a service, IPv6" within 10 service_answers "$(seen '{.spec.clusterIPs[1]}' service web)"
check "the API server, with the pod's account" api_answers
check "an address outside of the cluster, IPv4" outside_answers "$outside4"
check "an address outside of the cluster, IPv6" outside_answers "$outside6"

heading "What an agent needs of a node"
check_facts

heading "What it costs"
processes_in_cgroups | wc -l | sed 's/^/   processes on the nodes: /'
for name in $(process_names); do
    printf '%s %s MB\n' "$name" "$(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$(process_pid "$name")/status")"
done | column -t | quote

if [ -z "${KEEP:-}" ]; then
    heading "The end"
    "$here/cluster.sh" down
    check "no process, namespace, mount, link or control group is left" nothing_left
    check "ending it again is no error" "$here/cluster.sh" down
fi
printf '\n%s%d of %d checks as expected.%s\n' "$bold" $((checks - failures)) "$checks" "$plain"
[ "$failures" -eq 0 ]
