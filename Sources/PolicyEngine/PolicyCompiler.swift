// SPDX-License-Identifier: Apache-2.0

package import Model
package import NetTypes

/// Who has an address, but for the endpoints of this node.
package enum PolicyPeer: Hashable, Sendable {
    case pod(SecurityLabels, namedPorts: [NamedPort])
    /// A pod by its number, as other nodes tell it; its labels are those that were staged for the number, and until
    /// then no label selector matches it. Of the reserved numbers only health, init, ingress and unmanaged are taken;
    /// any other one below 256 or above 24 bits counts as unmanaged.
    case endpoint(IdentityNumber, namedPorts: [NamedPort])
    /// This node.
    case host
    case remoteNode
    case kubeAPIServer(on: KubeAPIServerPlace)
    /// An address that the host's stack translates to one of a service's backends: egress rules are asked about the
    /// backend, not about it.
    case service
}

/// Where an address of the API server is.
package enum KubeAPIServerPlace: Hashable, Sendable {
    /// An address of this node.
    case host
    case remoteNode
    /// Outside the cluster: then it is part of the world, too.
    case outside
}

/// A pod of this node: its policy is compiled.
package struct PolicyEndpoint: Hashable, Sendable {
    /// From 1.
    package var number: UInt16
    /// At most one of each family counts for rules with address blocks: the first.
    package var addresses: [IPAddress]
    package var labels: SecurityLabels
    package var namedPorts: [NamedPort]
    /// Set: it has this identity instead of its labels', no label selector matches it and no policy selects it.
    package var reserved: ReservedIdentity?

    package init(
        number: UInt16, addresses: [IPAddress], labels: SecurityLabels, namedPorts: [NamedPort] = [],
        reserved: ReservedIdentity? = nil
    ) {
        self.number = number
        self.addresses = addresses
        self.labels = labels
        self.namedPorts = namedPorts
        self.reserved = reserved
    }
}

/// Compiles policies for the endpoints of one node, change by change.
///
/// `stage` what is different, then `commit()`: the result is what has to be written so that the kernel's tables agree.
/// What was staged twice counts as staged last; staging what is already so costs no write. The compiler takes it
/// that every changeset is applied, in order.
///
/// Only policies that select an endpoint are compiled and only their selectors divide the classes; so the work of
/// a change depends on what it touches, not on how much there is.
package struct PolicyCompiler: Sendable {
    struct EndpointRecord: Sendable {
        var endpoint: PolicyEndpoint
        var occupant: AddressTable.Occupant
        /// Sorted revisions of the objects that select it.
        var objects: [Int] = []
        /// Place of its policy; `.max` before the first commit.
        var policy: UInt32 = .max
        var view: EndpointView?
    }

    struct StagedPeer: Sendable {
        var peer: PolicyPeer?
        var node: UInt32
    }

    /// Holds a place and a slot for a number that was decided.
    struct Numbered: Sendable {
        var identity: UInt32
        /// `.max`: not yet in one.
        var slot: UInt32 = .max
    }

    var identities = IdentityTable()
    var portLists = PortListTable()
    var selectors = SelectorTable()
    var partition = Partition()
    var addresses = AddressTable()
    var objects = ObjectTable()
    var policies = PolicyTable()
    var cookies = CookieTable()
    var endpoints: [UInt16: EndpointRecord] = [:]
    /// What stands for each decided number where only the number is known.
    var numbered: [IdentityNumber: Numbered] = [:]

    var stagedObjects: [ObjectReference: [PolicyObject]] = [:]
    var stagedIdentities: [IdentityNumber: SecurityLabels?] = [:]
    var stagedPeers = AddressMap<StagedPeer>()
    var stagedEndpoints: [UInt16: PolicyEndpoint?] = [:]

    // What the commit at hand has found out. Empty between commits.
    var changes = Changeset()
    var freshSelectors: [UInt32] = []
    var freshNamed: [UInt32] = []
    var touchedEndpoints: Set<UInt16> = []
    var touchedPrefixes: Set<Prefix> = []
    /// Address changes, by the endpoints' part of it.
    var touchedAddresses: Set<IPAddress> = []
    var touchedNumbers: Set<IdentityNumber> = []

    package init() {
        // The slots that state words name, 0 to 2, in no class but 0.
        for reserved in [ReservedIdentity.worldIPv4, .worldIPv6, .host] {
            let kind = Partition.Kind(identity: reserved.rawValue, ports: 0, blocks: [])
            _ = partition.create(kind, Signature())
        }
    }

    /// Adds a policy object or replaces the one of the same reference.
    package mutating func stage(_ object: PolicyObject) {
        stage([object], of: object.reference)
    }

    /// All that there is of an object; its parts have its reference.
    package mutating func stage(_ parts: [PolicyObject], of object: ObjectReference) {
        stagedObjects[object] = parts
    }

    package mutating func stageRemoval(of object: ObjectReference) {
        stage([], of: object)
    }

    /// Gives a number to labels, as somebody has decided for all nodes; nil: the decision is withdrawn. It may come
    /// before or after those who have the labels or the number: who has these labels gets this number, and who is known
    /// by this number gets these labels. Labels that no number was staged for get one from their hash.
    ///
    /// What has a number whose decision is withdrawn keeps it and its labels, for as long as it is known.
    package mutating func stage(identity number: IdentityNumber, _ labels: SecurityLabels?) {
        stagedIdentities.updateValue(labels, forKey: number)
    }

    /// nil: nobody that is known has the address. An endpoint with the address overrules what is staged here.
    ///
    /// - Parameter node: the number of the other node that has the peer, where packets to it go in tunnels; 0: none.
    package mutating func stage(_ peer: PolicyPeer?, at address: IPAddress, node: UInt32 = 0) {
        stagedPeers[address] = StagedPeer(peer: peer, node: node)
    }

    /// Adds an endpoint or replaces the one of the same number. Its addresses become peers.
    package mutating func stage(_ endpoint: PolicyEndpoint) {
        stagedEndpoints[endpoint.number] = .some(endpoint)
    }

    /// No write follows for its view: the datapath takes the endpoint itself away.
    package mutating func stageRemoval(ofEndpoint number: UInt16) {
        stagedEndpoints.updateValue(nil, forKey: number)
    }
}
