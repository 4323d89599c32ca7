// SPDX-License-Identifier: Apache-2.0

/// A `skein.dev/v1` SkeinNetworkPolicy or SkeinClusterNetworkPolicy as it was written: the texts in it may be wrong
/// until `validate()` says that there are no errors. Names of fields are those of the API, and mean what they mean in
/// Cilium's policies.
package struct SkeinNetworkPolicy: Hashable, Sendable {
    package static let namespacedKind = "SkeinNetworkPolicy"
    package static let clusterKind = "SkeinClusterNetworkPolicy"

    /// nil: a SkeinClusterNetworkPolicy, for pods of every namespace.
    package var namespace: String?
    package var name: String
    package var spec: Spec?
    /// More of them, as if each were an object of its own.
    package var specs: [Spec]?

    package init(namespace: String?, name: String, spec: Spec? = nil, specs: [Spec]? = nil) {
        self.namespace = namespace
        self.name = name
        self.spec = spec
        self.specs = specs
    }

    package var reference: ObjectReference {
        ObjectReference(
            kind: namespace == nil ? Self.clusterKind : Self.namespacedKind, namespace: namespace ?? "", name: name)
    }

    /// All of them, with their paths.
    package var allSpecs: [(path: String, spec: Spec)] {
        (spec.map { [("spec", $0)] } ?? [])
            + (specs ?? []).enumerated().map { ("specs[\($0.offset)]", $0.element) }
    }
}

extension SkeinNetworkPolicy {
    package struct Spec: Hashable, Sendable {
        /// Which pods it holds for, of the policy's namespace if it has one; the empty selector takes all.
        package var endpointSelector: LabelSelector
        /// What may come in. A list with at least one rule in it, whatever that allows, turns default deny on.
        package var ingress: [Rule]?
        /// What may not come in, whatever any policy allows.
        package var ingressDeny: [Rule]?
        package var egress: [Rule]?
        package var egressDeny: [Rule]?
        package var enableDefaultDeny: DefaultDeny
        /// For people.
        package var description: String?
        /// For people.
        package var labels: [RuleLabel]?

        package init(
            endpointSelector: LabelSelector = LabelSelector(), ingress: [Rule]? = nil, ingressDeny: [Rule]? = nil,
            egress: [Rule]? = nil, egressDeny: [Rule]? = nil, enableDefaultDeny: DefaultDeny = DefaultDeny(),
            description: String? = nil, labels: [RuleLabel]? = nil
        ) {
            self.endpointSelector = endpointSelector
            self.ingress = ingress
            self.ingressDeny = ingressDeny
            self.egress = egress
            self.egressDeny = egressDeny
            self.enableDefaultDeny = enableDefaultDeny
            self.description = description
            self.labels = labels
        }

        /// Whether the selected pods may then only receive what some policy allows.
        package var deniesIngressByDefault: Bool {
            enableDefaultDeny.ingress ?? (ingress?.isEmpty == false || ingressDeny?.isEmpty == false)
        }

        package var deniesEgressByDefault: Bool {
            enableDefaultDeny.egress ?? (egress?.isEmpty == false || egressDeny?.isEmpty == false)
        }
    }

    /// nil: on if the direction has rules.
    package struct DefaultDeny: Hashable, Sendable {
        package var ingress: Bool?
        package var egress: Bool?

        package init(ingress: Bool? = nil, egress: Bool? = nil) {
            self.ingress = ingress
            self.egress = egress
        }
    }

    package struct RuleLabel: Hashable, Sendable {
        package var key: String
        package var value: String?
        package var source: String?

        package init(key: String, value: String? = nil, source: String? = nil) {
            self.key = key
            self.value = value
            self.source = source
        }
    }

    /// One element of `ingress`, `egress`, `ingressDeny` or `egressDeny`: peers and ports, both of which have to match.
    ///
    /// A list of peers that is there and empty matches nobody. No list of peers and no list of ports: the rule matches
    /// nothing at all (but turns default deny on); ports without peers match those ports of everybody.
    package struct Rule: Hashable, Sendable {
        /// `fromEndpoints` or `toEndpoints`.
        package var endpoints: [LabelSelector]?
        /// `fromCIDR` or `toCIDR`: ranges or addresses outside the cluster.
        package var cidrs: [String]?
        /// `fromCIDRSet` or `toCIDRSet`.
        package var cidrSets: [CIDRSet]?
        /// `fromEntities` or `toEntities`, as written; ``Entity`` has the ones that there are.
        package var entities: [String]?
        /// `ports` of each element of `toPorts`. nil and empty are the same: every port of every protocol.
        package var toPorts: [[Port]?]?
        /// `fields` of each element of `icmps`. nil and empty are the same. Never together with `toPorts`.
        package var icmps: [[ICMPField]?]?

        package init(
            endpoints: [LabelSelector]? = nil, cidrs: [String]? = nil, cidrSets: [CIDRSet]? = nil,
            entities: [String]? = nil, toPorts: [[Port]?]? = nil, icmps: [[ICMPField]?]? = nil
        ) {
            self.endpoints = endpoints
            self.cidrs = cidrs
            self.cidrSets = cidrSets
            self.entities = entities
            self.toPorts = toPorts
            self.icmps = icmps
        }
    }

    package struct CIDRSet: Hashable, Sendable {
        package var cidr: String
        package var except: [String]

        package init(cidr: String, except: [String] = []) {
            self.cidr = cidr
            self.except = except
        }
    }
}
