// SPDX-License-Identifier: Apache-2.0

package import Model
package import NetTypes

/// Who has an address, but for the endpoints of this node.
package enum PolicyPeer: Hashable, Sendable {
    case pod(SecurityLabels, namedPorts: [NamedPort])
    /// This node.
    case host
    case remoteNode
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

    var identities = IdentityTable()
    var portLists = PortListTable()
    var selectors = SelectorTable()
    var partition = Partition()
    var addresses = AddressTable()
    var objects = ObjectTable()
    var policies = PolicyTable()
    var cookies = CookieTable()
    var endpoints: [UInt16: EndpointRecord] = [:]

    var stagedObjects: [ObjectReference: PolicyObject?] = [:]
    var stagedPeers: [IPAddress: PolicyPeer?] = [:]
    var stagedEndpoints: [UInt16: PolicyEndpoint?] = [:]

    // What the commit at hand has found out. Empty between commits.
    var changes = Changeset()
    var freshSelectors: [UInt32] = []
    var freshNamed: [UInt32] = []
    var touchedEndpoints: Set<UInt16> = []
    var touchedPrefixes: Set<Prefix> = []
    /// Address changes, by the endpoints' part of it.
    var touchedAddresses: Set<IPAddress> = []

    package init() {
        // The slots that state words name, 0 to 2, in no class but 0.
        for reserved in [ReservedIdentity.worldIPv4, .worldIPv6, .host] {
            let kind = Partition.Kind(identity: reserved.rawValue, ports: 0, blocks: [])
            _ = partition.create(kind, Signature())
        }
    }

    /// Adds a policy object or replaces the one of the same reference.
    package mutating func stage(_ object: PolicyObject) {
        stagedObjects[object.reference] = .some(object)
    }

    package mutating func stageRemoval(of object: ObjectReference) {
        stagedObjects.updateValue(nil, forKey: object)
    }

    /// nil: nobody that is known has the address. An endpoint with the address overrules what is staged here.
    package mutating func stage(_ peer: PolicyPeer?, at address: IPAddress) {
        stagedPeers.updateValue(peer, forKey: address)
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
