// SPDX-License-Identifier: Apache-2.0

package import Model
package import NetTypes

/// One end of a connection that someone asks about.
package struct PolicyParty: Hashable, Sendable {
    /// What to call it in the answer.
    package var name: String
    /// nil: an address of the world that no rule names, if it has no labels either.
    package var address: IPAddress?
    /// nil: no pod.
    package var labels: SecurityLabels?
    package var namedPorts: [NamedPort]
    package var entities: EntitySet

    /// `entities`: what it is; nil: a pod if it has labels, else something outside.
    package init(
        name: String, address: IPAddress? = nil, labels: SecurityLabels? = nil, namedPorts: [NamedPort] = [],
        entities: EntitySet? = nil
    ) {
        self.name = name
        self.address = address
        self.labels = labels
        self.namedPorts = namedPorts
        self.entities = entities ?? (labels == nil ? .world : .pods)
    }

    package var isHost: Bool { entities.contains(.host) }

    package static let host = PolicyParty(name: "host", entities: .host)
    /// Somewhere outside: only blocks of everything (/0) have it in them.
    package static let world = PolicyParty(name: "world")

    package func isMatched(by selector: PeerSelector) -> Bool {
        switch selector {
        case .pods(let pods):
            return labels.map(pods.matches) ?? false
        case .addresses(let block):
            if let address { return block.contains(address) }
            return entities.contains(.world) && block.prefix.length == 0
        case .outside(let block):
            guard entities.contains(.world) else { return false }
            return address.map(block.contains) ?? (block.prefix.length == 0)
        case .entities(let wanted):
            return !wanted.isDisjoint(with: entities)
        }
    }

    /// True if the party, as the one the packet goes to, has the port under that selector.
    func isReached(by selector: PortSelector, _ number: IPProtocol, _ port: UInt16) -> Bool {
        switch selector {
        case .range(let ipProtocol, let ports): ipProtocol == number && ports.contains(port)
        case .named(let ipProtocol, let name):
            ipProtocol == number && namedPorts.contains(NamedPort(name: name, protocol: number, port: port))
        }
    }
}

extension PolicyCompiler {
    /// What is known of an address, as of the last commit; its name is the address.
    package func party(at address: IPAddress) -> PolicyParty {
        var party = PolicyParty(name: address.description, address: address)
        guard let record = addresses.records[address] else { return party }
        let occupant = record.endpoint == 0 ? record.peer : endpoints[record.endpoint]?.occupant
        guard let occupant else { return party }
        party.entities = identities[occupant.identity].entities
        party.labels = identities[occupant.identity].labels
        party.namedPorts = portLists[occupant.ports]
        return party
    }
}
