# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lab: a node, the world outside it, and the pods that the plugin wires.
# Every address lives in the run's own namespaces only.
#
#   world 192.0.2.10 --- 192.0.2.1 node -+- pod web
#                                        +- pod api ...

node4=192.0.2.1 node6=2001:db8:77::1
world4=192.0.2.10 world6=2001:db8:77::10 scanner4=192.0.2.66
pods4=10.77.0.0/24 pods6=fd77:0:0:1::/64
pods=(web api db prom tool)
declare -A pod_namespace=([web]=shop [api]=shop [db]=shop [prom]=ops [tool]=dev)
declare -A address4=([host]=$node4 [world]=$world4)
declare -A address6=([host]=$node6 [world]=$world6)
# What a name in the tables is to `skein policy explain`.
declare -A explained=([host]=$node4 [world]=$world4)

# make_node: the node's and the world's namespaces, and the wire between them.
make_node() {
    netns_add host
    netns_add world
    ip -n "skein-demo-$id-host" link add up0 type veth peer name up0 netns "skein-demo-$id-world"
    uplink host "$node4/24" "$node6/64"
    uplink world "$world4/24" "$world6/64"
    ip -n "skein-demo-$id-world" address add "$scanner4/24" dev up0
    ip -n "skein-demo-$id-world" route add "$pods4" via "$node4"
    ip -n "skein-demo-$id-world" -6 route add "$pods6" via "$node6"
    serve host host
    serve world world
}

uplink() {
    ip -n "skein-demo-$id-$1" link set up0 up
    ip -n "skein-demo-$id-$1" address add "$2" dev up0
    ip -n "skein-demo-$id-$1" address add "$3" dev up0 nodad
}

# serve NAMESPACE NAME: servers that say NAME, TCP 8080 and 9090 by both families (then they echo) and UDP 5353.
serve() {
    local port path
    path=$(netns_path "$1")
    for port in 8080 9090; do
        nsenter --net="$path" -- socat "TCP6-LISTEN:$port,ipv6only=0,fork,reuseaddr,backlog=64" \
            SYSTEM:"echo $2; exec cat" </dev/null >>"$run/logs/socat" 2>&1 &
    done
    nsenter --net="$path" -- socat "UDP4-RECVFROM:5353,bind=${address4[$2]},fork" SYSTEM:"echo $2" \
        </dev/null >>"$run/logs/socat" 2>&1 &
    within 5 serving "$1" || die "the servers in $1 do not start; see $run/logs/socat"
}

serving() {
    [ "$(inside "$1" ss -Hltn 'sport = :8080 or sport = :9090' | wc -l)" -eq 2 ] &&
        [ -n "$(inside "$1" ss -Hlun 'sport = :5353')" ]
}

start_agent() {
    nsenter --net="$(netns_path host)" -- "$bin/skein-agent" --manifests "$run/manifests" \
        --pod-cidr "$pods4" --pod-cidr "$pods6" --node-address "$node4" --node-address "$node6" \
        --run-dir "$run/agent" --bpffs "$run/bpf" --bpf-dir "$bpf_dir" \
        --xdp-device up0 --deny-lists "$run/denylists" </dev/null >>"$run/logs/agent" 2>&1 &
    agent=$!
    within 15 agent_is_ready || die "the agent is not ready after 15 s"
}

skein() { "$bin/skein" "$@" --socket "$run/agent/agent.sock"; }
agent_is_ready() { skein status >/dev/null 2>&1; }

# cni COMMAND POD: what a container runtime does: the environment, a configuration on stdin, and nothing else. After an
# ADD the configuration carries the ADD's result.
cni() {
    network_configuration "$2" | inside host env -i PATH="$PATH" CNI_PATH="$bin" CNI_COMMAND="$1" \
        CNI_CONTAINERID="demo-$id-$2" CNI_NETNS="$(netns_path "$2")" CNI_IFNAME=eth0 \
        CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=${pod_namespace[$2]:-dev};K8S_POD_NAME=$2" \
        "$bin/skein-cni"
}

# What a runtime makes for the plugin out of a list such as deploy/cni/10-skein.conflist.
network_configuration() { # POD
    local result=$run/net/result-$1
    cat <<END
{"cniVersion": "1.1.0", "name": "skein", "type": "skein-cni",
 "socket": "$run/agent/agent.sock", "runDirectory": "$run/agent"
 $([ ! -e "$result" ] || printf ', "prevResult": %s' "$(<"$result")")}
END
}

# add_pod POD: a namespace, wired; takes its addresses from the plugin's result.
add_pod() {
    local result began took
    netns_add "$1"
    began=$(milliseconds)
    result=$(cni ADD "$1") || { echo "$result" | quote; die "ADD of $1 failed"; }
    took=$(($(milliseconds) - began))
    echo "$result" >"$run/net/result-$1"
    [[ $result =~ ([0-9.]+)/32 ]] && address4[$1]=${BASH_REMATCH[1]}
    [[ $result =~ ([0-9a-f:]+)/128 ]] && address6[$1]=${BASH_REMATCH[1]}
    explained[$1]=${pod_namespace[$1]}/$1
    serve "$1" "$1"
    printf '   %-10s %-12s %-20s ADD took %s ms\n' "${pod_namespace[$1]}/$1" "${address4[$1]}" "${address6[$1]}" "$took"
}
