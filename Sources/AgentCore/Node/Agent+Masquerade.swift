// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Datapath
import Model
package import NetTypes

/// How pods' packets to the outside of the cluster leave, and come in from there.
package struct MasqueradeSettings: Hashable, Sendable {
    /// Whether they leave with the node's address.
    package var isOn: Bool
    /// Devices to the outside; none: those that default routes leave by, and without tunnels those on whose link other
    /// nodes are.
    package var devices: [String]
    /// Destinations that see the pods' own addresses, beside the cluster's.
    package var excluded: [Prefix]

    package init(isOn: Bool = true, devices: [String] = [], excluded: [Prefix] = []) {
        self.isOn = isOn
        self.devices = devices
        self.excluded = excluded
    }
}

extension Agent {
    /// Brings masquerading up to what the node's devices and addresses are now.
    ///
    /// - Parameter afresh: the datapath is a new one, and knows of none.
    func applyMasquerade(afresh: Bool = false) {
        guard let datapath else { return }
        let wanted: NodeNAT?
        do { wanted = try settings.masquerade.map { try nodeNAT(for: $0) } } catch {
            // What was in force stays; the next change of the host's network or the next retry tries again.
            nodeNAT = nil
            return note(.masquerade, "pods may not reach the outside: \(error)")
        }
        let missing = (settings.masquerade?.devices ?? []).filter { name in
            wanted?.uplinks.contains { $0.name == name } == false
        }
        note(
            .masquerade,
            missing.isEmpty ? nil : "there is no device \(missing.joined(separator: ", ")) to masquerade on")
        do {
            if afresh || wanted != nodeNAT || conditions[.nodePrograms] != nil { try datapath.setNodeNAT(wanted) }
            nodeNAT = wanted
            note(.nodePrograms, nil)
        } catch {
            nodeNAT = nil
            note(.nodePrograms, "pods may not reach the outside: \(error)")
        }
    }

    private func nodeNAT(for wanted: MasqueradeSettings) throws -> NodeNAT {
        let own = try nodeAddresses().compactMap { Prefix($0, length: $0.isIPv4 ? 32 : 128) }
        let pods = endpointTable.all.filter { $0.state == .ready }.flatMap { [$0.ipv4, $0.ipv6] }.compactMap(\.self)
        // Pods that are older than the ranges.
        let ranges = settings.cluster == nil ? settings.podRanges : policy.peers.ownNode?.podRanges ?? []
        let strays = pods.filter { pod in !ranges.contains { $0.contains(pod) } }
        let neighbours = settings.routing == .native ? policy.peers.nodes.values.flatMap(\.addresses) : []
        return NodeNAT(
            uplinks: try host.uplinks(named: wanted.devices, leadingTo: neighbours), masquerades: wanted.isOn,
            excluded: Set(wanted.excluded + own + clusterPrefixes()),
            podRanges: Set(ranges + strays.compactMap { Prefix($0, length: $0.isIPv4 ? 32 : 128) }))
    }

    /// Where pods go as themselves: to other pods, and to other nodes if their answers come back the way that the packets
    /// went. With tunnels what goes to a node by its device has come from the stack, and the answer would come by tunnel.
    private func clusterPrefixes() -> [Prefix] {
        let nodes = policy.peers.nodes.values
        let addresses = settings.routing == .native ? nodes.flatMap(\.addresses) : []
        return nodes.flatMap(\.podRanges) + addresses.compactMap { Prefix($0, length: $0.isIPv4 ? 32 : 128) }
    }
}
