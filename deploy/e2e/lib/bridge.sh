# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A network for pods that is not Skein's: Debian's bridge plugin, and routes from
# node to node. It shows what a caller of the lab has to give.

# give_bridge: to every node. The configuration comes last, as by it the node becomes ready.
give_bridge() {
    local node other range4 range6
    for node in $(node_names); do
        read -r range4 range6 < <(node_ranges "$node")
        for other in $(node_names); do
            [ "$other" != "$node" ] || continue
            ip_in "$other" route replace "$range4" via "$(node_address4 "$node")"
            ip_in "$other" -6 route replace "$range6" via "$(node_address6 "$node")"
        done
    done
    for node in $(node_names); do
        read -r range4 range6 < <(node_ranges "$node")
        cp "$cache"/cni/{bridge,host-local,portmap} "$(node_folder "$node")/cni/bin/"
        # The world knows nothing of pods: they go there by their node's address.
        node_masquerades "$node" iptables "$range4" "$pods4"
        node_masquerades "$node" ip6tables "$range6" "$pods6"
        bridge_configuration "$range4" "$range6" >"$(node_folder "$node")/cni/net.d/.new"
        mv "$(node_folder "$node")/cni/net.d/.new" "$(node_folder "$node")/cni/net.d/10-bridge.conflist"
    done
}

node_ranges() { kubectl get node "$1" -o 'jsonpath={.spec.podCIDRs[0]} {.spec.podCIDRs[1]}{"\n"}'; }

node_masquerades() { # NODE COMMAND RANGE PODS
    on_node "$1" "$2" -w 10 -t nat -A POSTROUTING -s "$3" ! -d "$4" -o eth0 -j MASQUERADE
}

bridge_configuration() { # RANGE4 RANGE6
    cat <<END
{
  "cniVersion": "0.4.0",
  "name": "bridge",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "ranges": [[{"subnet": "$1"}], [{"subnet": "$2"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}], "dataDir": "/run/bridge-leases"
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
END
}
