// SPDX-License-Identifier: Apache-2.0
import KubeClient
import NetTypes

/// How Skein is in a cluster: what `skein status --cluster` shows, and what `-o json` prints.
package struct ClusterStatus: Hashable, Codable, Sendable {
    package struct Agent: Hashable, Codable, Sendable {
        package var pod: String
        package var image: String
        package var ready: Bool
        package var restarts: Int
        /// What keeps it from being ready.
        package var problem: String?
    }

    package struct Condition: Hashable, Codable, Sendable {
        package var type: String
        package var status: String
        package var reason: String
        package var message: String
    }

    package struct Node: Hashable, Codable, Sendable {
        package var name: String
        package var ready: Bool
        /// False where Skein does not run: the node has another system than Linux.
        package var expected: Bool
        package var agent: Agent?
        package var addresses: [String]
        package var podCIDRs: [String]
        package var endpoints: Int
        /// The agent's own word: ok or degraded.
        package var health: String?
        /// Of the SkeinNode.
        package var conditions: [Condition]
    }

    package struct Totals: Hashable, Codable, Sendable {
        package var nodes = 0
        package var readyAgents = 0
        package var operators = 0
        package var readyOperators = 0
        package var identities = 0
        package var endpoints = 0
        package var networkPolicies = 0
        package var clusterNetworkPolicies: Int?
        package var skeinPolicies = 0
        package var refusedPolicies = 0
        package var unenforcedPolicies = 0
    }

    package var server: String
    package var namespace: String
    package var well: Bool { problems.isEmpty }
    package var problems: [String] = []
    package var totals = Totals()
    package var nodes: [Node] = []

    private enum CodingKeys: String, CodingKey { case server, namespace, well, problems, totals, nodes }

    package init(_ facts: ClusterFacts) {
        server = facts.serverVersion
        namespace = facts.namespace
        let agents = Dictionary(grouping: facts.agents) { $0.nodeName ?? "" }
        let skeinNodes = Dictionary(facts.skeinNodes.map { ($0.metadata.name, $0) }) { $1 }
        nodes = facts.nodes.map { node in
            Self.node(
                node, agents: agents[node.name] ?? [], skeinNode: skeinNodes[node.name],
                endpoints: facts.endpoints[node.name] ?? 0)
        }.sorted { $0.name < $1.name }
        let expected = nodes.filter(\.expected)
        totals.nodes = expected.count
        totals.readyAgents = expected.count { $0.agent?.ready ?? false }
        totals.operators = facts.operatorReplicas ?? facts.operators.count
        totals.readyOperators = facts.operators.count { $0.isReady && !$0.isBeingDeleted }
        totals.identities = facts.identities
        totals.endpoints = facts.endpoints.values.reduce(0, +)
        totals.networkPolicies = facts.networkPolicies
        totals.clusterNetworkPolicies = facts.clusterNetworkPolicies
        totals.skeinPolicies = facts.policies.count
        problems = installationProblems(facts) + expected.flatMap(Self.problems)
        addPolicies(facts)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        server = try container.decode(String.self, forKey: .server)
        namespace = try container.decode(String.self, forKey: .namespace)
        problems = try container.decode([String].self, forKey: .problems)
        totals = try container.decode(Totals.self, forKey: .totals)
        nodes = try container.decode([Node].self, forKey: .nodes)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(server, forKey: .server)
        try container.encode(namespace, forKey: .namespace)
        try container.encode(well, forKey: .well)
        try container.encode(problems, forKey: .problems)
        try container.encode(totals, forKey: .totals)
        try container.encode(nodes, forKey: .nodes)
    }

    private static func node(
        _ node: ObservedNode, agents pods: [ObservedPod], skeinNode: SkeinNode?, endpoints: Int
    ) -> Node {
        // While an agent is replaced, the old pod may still be there; the new one counts.
        let pod = pods.first { !$0.isBeingDeleted } ?? pods.first
        return Node(
            name: node.name, ready: node.isReady, expected: node.isLinux,
            agent: pod.map { pod in
                Agent(
                    pod: pod.metadata.name,
                    image: (pod.containers.first { $0.name == "agent" } ?? pod.containers.first)?.image ?? "",
                    ready: pod.isReady && !pod.isBeingDeleted, restarts: pod.restarts,
                    problem: pod.isBeingDeleted ? "it is being deleted" : pod.problem)
            },
            addresses: skeinNode?.spec.addresses.map(\.description) ?? [],
            podCIDRs: skeinNode?.spec.podCIDRs.map(\.description) ?? [],
            endpoints: endpoints, health: skeinNode.map { $0.status?.health ?? "" },
            conditions: (skeinNode?.status?.conditions ?? []).map {
                Condition(type: $0.type, status: $0.status, reason: $0.reason ?? "", message: $0.message ?? "")
            })
    }

    // MARK: What is not well

    private func installationProblems(_ facts: ClusterFacts) -> [String] {
        var problems: [String] = []
        if !facts.missingKinds.isEmpty {
            problems.append(
                "the API server does not serve \(facts.missingKinds.joined(separator: ", ")): the operator installs them"
            )
        }
        if facts.agents.isEmpty {
            problems.append("there is no pod of \(ClusterFacts.agentName) in \(facts.namespace)")
        }
        if let wanted = facts.operatorReplicas {
            if totals.readyOperators < wanted {
                let reasons = facts.operators.compactMap { pod in pod.problem.map { "\(pod.metadata.name): \($0)" } }
                problems.append(
                    (["operator: \(totals.readyOperators) of \(wanted) are ready"] + reasons).joined(separator: "; "))
            }
        } else {
            problems.append("there is no Deployment \(ClusterFacts.operatorName) in \(facts.namespace)")
        }
        return problems
    }

    private static func problems(of node: Node) -> [String] {
        var problems: [String] = []
        if !node.ready { problems.append("the node is not ready") }
        if let agent = node.agent {
            if !agent.ready {
                problems.append("agent \(agent.pod) is not ready: \(agent.problem ?? "it does not say why")")
            }
        } else {
            problems.append("no agent")
        }
        if let health = node.health {
            if node.podCIDRs.isEmpty { problems.append("no pod CIDRs") }
            let failed = node.conditions.filter { $0.status != "True" }
            problems += failed.map { "\($0.type) is \($0.status): \($0.message.isEmpty ? $0.reason : $0.message)" }
            if failed.isEmpty, health != "ok" {
                problems.append(health.isEmpty ? "the agent has not said how it is" : "the agent says \(health)")
            }
        } else {
            problems.append("no SkeinNode")
        }
        return problems.map { "\(node.name): \($0)" }
    }

    private mutating func addPolicies(_ facts: ClusterFacts) {
        for policy in facts.policies.sorted(by: {
            ($0.kind, $0.object.metadata.key) < ($1.kind, $1.object.metadata.key)
        }) {
            let name = "\(policy.kind) \(policy.object.metadata.key)"
            switch policy.object.state {
            case .enforced: continue
            case .invalid(let why):
                totals.refusedPolicies += 1
                problems.append("\(name) is not valid: \(why)")
            case .notEnforced(let why):
                totals.unenforcedPolicies += 1
                problems.append("\(name) is not enforced: \(why)")
            case .unsaid:
                totals.unenforcedPolicies += 1
                problems.append("\(name) is not enforced: no agent has said anything of it")
            }
        }
    }
}
