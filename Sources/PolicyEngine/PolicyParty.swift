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
    package var isHost: Bool

    package init(
        name: String, address: IPAddress? = nil, labels: SecurityLabels? = nil, namedPorts: [NamedPort] = [],
        isHost: Bool = false
    ) {
        self.name = name
        self.address = address
        self.labels = labels
        self.namedPorts = namedPorts
        self.isHost = isHost
    }

    package static let host = PolicyParty(name: "host", isHost: true)
    /// Somewhere outside: only blocks of everything (/0) have it in them.
    package static let world = PolicyParty(name: "world")

    package func isMatched(by selector: PeerSelector) -> Bool {
        switch selector {
        case .pods(let pods):
            return labels.map(pods.matches) ?? false
        case .addresses(let block):
            if let address { return block.contains(address) }
            return !isHost && labels == nil && block.prefix.length == 0
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
        party.isHost = occupant.kind == .host
        party.labels = identities[occupant.identity].labels
        party.namedPorts = portLists[occupant.ports]
        return party
    }
}
