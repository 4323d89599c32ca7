// SPDX-License-Identifier: Apache-2.0
import TextLayout

extension ClusterStatus {
    /// For a person.
    package var page: String {
        var fields = Fields()
        fields.add("API server", server)
        fields.add("Agents", "\(totals.readyAgents) of \(totals.nodes) nodes have one that is ready")
        fields.add("Operator", "\(totals.readyOperators) of \(totals.operators) ready")
        fields.add("Endpoints", "\(totals.endpoints), \(totals.identities) identities")
        fields.add("Policies", policies)
        fields.add("Well", well ? "yes" : "no: " + problems.joined(separator: "\n"))
        return table + "\n\n" + fields.text
    }

    private var table: String {
        var table = Table(
            ["NODE", "READY", "AGENT", "RESTARTS", "HEALTH", "ENDPOINTS", "ADDRESSES", "POD CIDRS", "IMAGE"],
            numeric: [3, 5])
        for node in nodes {
            table.add([
                node.name, node.ready ? "yes" : "no", agent(of: node), node.agent.map { "\($0.restarts)" } ?? "",
                node.health ?? "", "\(node.endpoints)", node.addresses.joined(separator: ","),
                node.podCIDRs.joined(separator: ","), node.agent?.image ?? "",
            ])
        }
        return table.text
    }

    private func agent(of node: Node) -> String {
        guard let agent = node.agent else { return node.expected ? "none" : "not for this system" }
        return agent.ready ? "ready" : "not ready"
    }

    private var policies: String {
        var parts = ["\(totals.networkPolicies) NetworkPolicies", "\(totals.skeinPolicies) of Skein's kinds"]
        if let count = totals.clusterNetworkPolicies { parts.append("\(count) ClusterNetworkPolicies") }
        if totals.refusedPolicies > 0 { parts.append("\(totals.refusedPolicies) not valid") }
        if totals.unenforcedPolicies > 0 { parts.append("\(totals.unenforcedPolicies) not enforced") }
        return parts.joined(separator: ", ")
    }
}
