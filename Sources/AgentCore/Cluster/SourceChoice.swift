// SPDX-License-Identifier: Apache-2.0
package import Model

/// Where an agent's objects come from, of all that its options can say.
package enum SourceChoice: Hashable, Sendable {
    /// How the API server is found.
    package enum Credentials: Hashable, Sendable {
        /// A kubeconfig file.
        case kubeconfig(String)
        /// What a pod is given: environment, token and CA.
        case inCluster
    }

    /// Who says which addresses the node's pods get.
    package enum PodRangeSource: String, Hashable, Sendable, CaseIterable {
        /// `spec.podCIDRs` of the Node, as kube-controller-manager writes it.
        case kubernetes
        /// skein-operator.
        case clusterPool = "cluster-pool"
    }

    package struct Cluster: Hashable, Sendable {
        package let credentials: Credentials
        package let nodeName: String
        package let podRanges: PodRangeSource
        package let labelFilter: IdentityLabelFilter

        package init(
            credentials: Credentials, nodeName: String, podRanges: PodRangeSource, labelFilter: IdentityLabelFilter
        ) {
            self.credentials = credentials
            self.nodeName = nodeName
            self.podRanges = podRanges
            self.labelFilter = labelFilter
        }
    }

    case folder(String)
    case cluster(Cluster)
}

extension SourceChoice {
    /// What was given; nil, false and empty: was not.
    package struct Options: Sendable {
        package var manifests: String?
        package var kubeconfig: String?
        package var inCluster = false
        package var nodeName: String?
        package var podRanges: PodRangeSource?
        /// In the words of ``IdentityLabelFilter/Rule``.
        package var identityLabels: [String] = []
        /// `--pod-cidr` was given.
        package var hasPodCIDR = false
        /// What the environment says (NODE_NAME).
        package var environmentNodeName: String?

        package init() {}
    }

    /// Options that contradict each other, or say too little.
    package struct Contradiction: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String

        init(_ description: String) {
            self.description = description
        }
    }

    package init(_ options: Options) throws(Contradiction) {
        let given = [
            ("--manifests", options.manifests != nil), ("--kubeconfig", options.kubeconfig != nil),
            ("--in-cluster", options.inCluster),
        ].filter(\.1).map(\.0)
        guard given.count <= 1 else {
            throw Contradiction("\(given.joined(separator: " and ")) contradict each other: objects have one source")
        }
        if let folder = options.manifests {
            self = try Self.folder(folder, options)
        } else if let file = options.kubeconfig {
            self = .cluster(try Self.cluster(.kubeconfig(file), options))
        } else if options.inCluster {
            self = .cluster(try Self.cluster(.inCluster, options))
        } else {
            throw Contradiction("--manifests, --kubeconfig or --in-cluster is missing: where are the policies?")
        }
    }

    private static func folder(_ folder: String, _ options: Options) throws(Contradiction) -> SourceChoice {
        let wrong = [
            ("--node-name", options.nodeName != nil), ("--ipam", options.podRanges != nil),
            ("--identity-labels", !options.identityLabels.isEmpty),
        ].first(where: \.1)?.0
        if let wrong { throw Contradiction("\(wrong) is for a node of a cluster, and --manifests is for one without") }
        guard options.hasPodCIDR else {
            throw Contradiction("--pod-cidr is missing: which addresses may pods have?")
        }
        return .folder(folder)
    }

    private static func cluster(
        _ credentials: Credentials, _ options: Options
    ) throws(Contradiction) -> Cluster {
        if options.hasPodCIDR {
            throw Contradiction(
                "--pod-cidr is for --manifests: in a cluster the node's SkeinNode says which addresses pods have, see "
                    + "--ipam")
        }
        let environment = options.environmentNodeName.flatMap { $0.isEmpty ? nil : $0 }
        guard let name = options.nodeName ?? environment else {
            throw Contradiction("--node-name is missing, and NODE_NAME in the environment too: which node is this?")
        }
        if let problem = Syntax.dnsSubdomainProblem(name) {
            let source = options.nodeName == nil ? "NODE_NAME" : "--node-name"
            throw Contradiction("\(source): \"\(name)\" \(problem)")
        }
        var rules: [IdentityLabelFilter.Rule] = []
        for text in options.identityLabels {
            guard let rule = IdentityLabelFilter.Rule(text) else {
                throw Contradiction(
                    "--identity-labels: \"\(text)\" is no pattern of labels' keys, such as app, !*.example.com/build or "
                        + "namespace:team")
            }
            rules.append(rule)
        }
        return Cluster(
            credentials: credentials, nodeName: name, podRanges: options.podRanges ?? .kubernetes,
            labelFilter: IdentityLabelFilter.standard.adding(rules))
    }
}
