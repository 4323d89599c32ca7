# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The fabric: a bridge in the control plane's namespace, with a wire to each node
# and to the world. Nothing leads from here to the machine's own network: every
# default route ends in the world, and the world has none.
#
#   control .1 ===bridge=== node1 .11, node2 .12, node3 .13, world .200 (203.0.113.10 behind it)

netns_path() { echo "/run/netns/$prefix-$1"; }
# in_network NAME COMMAND...: with the namespace's network, and everything else as it is.
in_network() {
    local path
    path=$(netns_path "$1")
    shift
    nsenter --net="$path" -- "$@"
}
ip_in() {
    local name=$1
    shift
    ip -n "$prefix-$name" "$@"
}

network_add() {
    [ ! -e "$(netns_path "$1")" ] || die "there is a network namespace $prefix-$1 already: '$e2e/cluster.sh down' first"
    ip netns add "$prefix-$1"
    ip_in "$1" link set lo up
}

# sysctl_in NAME KEY=VALUE...: keys of the network only; they belong to the namespace.
sysctl_in() {
    local name=$1
    shift
    in_network "$name" sysctl -qw "$@"
}

make_fabric() {
    network_add control
    # What crosses the fabric is not the firewall's business here.
    sysctl_in control net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null || true
    ip_in control link add fabric type bridge
    ip_in control link set fabric up
    ip_in control address add "$control4/24" dev fabric
    ip_in control address add "$control6/64" dev fabric nodad
}

# join_fabric NAME ADDRESS4 ADDRESS6: a namespace with its eth0 on the fabric.
join_fabric() {
    network_add "$1"
    ip_in control link add "$1" type veth peer name eth0 netns "$prefix-$1"
    ip_in control link set "$1" master fabric up
    ip_in "$1" link set eth0 up
    ip_in "$1" address add "$2/24" dev eth0
    ip_in "$1" address add "$3/64" dev eth0 nodad
}

make_world() {
    join_fabric world "$world4" "$world6"
    ip_in world address add "$outside4/32" dev lo
    ip_in world address add "$outside6/128" dev lo
    ip_in control route add default via "$world4"
    ip_in control -6 route add default via "$world6"
    # Servers to talk to: HTTP on 8080 (UDP on 8081), see agnhost netexec.
    process_define world nsenter --net="$(netns_path world)" -- \
        "$bin/agnhost" netexec --http-port=8080 --udp-port=8081
    process_start world
}

make_node_network() { # NODE
    local keys
    join_fabric "$1" "$(node_address4 "$1")" "$(node_address6 "$1")"
    ip_in "$1" route add default via "$world4"
    ip_in "$1" -6 route add default via "$world6"
    sysctl_in "$1" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    for keys in net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1; do
        sysctl_in "$1" "$keys" 2>/dev/null || true
    done
}

# drop_network NAME: its links go with it. Nothing if there is none.
drop_network() { [ ! -e "$(netns_path "$1")" ] || ip netns del "$prefix-$1"; }
network_names() { ip netns list 2>/dev/null | sed -nE "s/^$prefix-([^ ]+).*/\\1/p"; }
