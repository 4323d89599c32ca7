// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Something outside of the cluster that answers HTTP or HTTPS.
package struct OutsideAddress: Hashable, Sendable, CustomStringConvertible {
    package let address: IPAddress
    package let port: UInt16

    package init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1` or `[2001:db8::1]:8080`; port 80 if none is given.
    package init?(_ text: String) {
        if let address = IPAddress(text) {
            self.init(address: address, port: 80)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard let address = IPAddress(String(host)) else { return nil }
        self.init(address: address, port: port)
    }

    package var description: String { address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}

/// What is there to be asked, once the pods that answer run.
package struct Topology: Hashable, Sendable {
    package struct Node: Hashable, Sendable {
        package let name: String
        package let addresses: [IPAddress]

        package init(name: String, addresses: [IPAddress]) {
            self.name = name
            self.addresses = addresses
        }
    }

    /// Of the pods under test, and of the stranger.
    package var namespace: String
    package var otherNamespace: String { namespace + "-other" }
    /// One or two; the client's in front.
    package var nodes: [Node]
    package var echoes: [Echo: [IPAddress]] = [:]
    package var service: [IPAddress] = []
    package var apiService: [OutsideAddress] = []
    package var apiServers: [OutsideAddress] = []
    package var world: [OutsideAddress] = []
    /// Of kubelets.
    package var nodePort: UInt16 = 10_250
    /// Skein's kinds are served.
    package var hasSkeinKinds = true

    package init(namespace: String, nodes: [Node]) {
        self.namespace = namespace
        self.nodes = nodes
    }

    package var hasTwoNodes: Bool { nodes.count > 1 }

    /// As many as there are addresses of a family that pods have.
    package func questions(_ target: Target) -> [Question] {
        let endpoints: [(IPAddress, UInt16)] =
            switch target {
            case .echo(let echo, let port): (echoes[echo] ?? []).map { ($0, port.number) }
            case .service: service.map { ($0, 80) }
            case .clientNode: (nodes.first?.addresses ?? []).map { ($0, nodePort) }
            case .otherNode: hasTwoNodes ? nodes[1].addresses.map { ($0, nodePort) } : []
            case .apiService: apiService.map { ($0.address, $0.port) }
            case .apiServer: apiServers.map { ($0.address, $0.port) }
            case .world: world.map { ($0.address, $0.port) }
            }
        return endpoints.filter { hasFamily(of: $0.0) }.map { address, port in
            Question(target: target, kind: target.kind, address: "\(address)", port: port)
        }
    }

    private func hasFamily(of address: IPAddress) -> Bool {
        echoes.values.joined().contains { $0.isIPv4 == address.isIPv4 }
    }
}

extension Target {
    fileprivate var kind: Question.Kind {
        switch self {
        case .echo(_, .udp): .udp
        case .echo(_, .ping): .icmp
        default: .tcp
        }
    }
}

extension Target.Port {
    fileprivate var number: UInt16 {
        switch self {
        case .http: Self.httpNumber
        case .other: Self.otherNumber
        case .udp: Self.udpNumber
        case .ping: 0
        case .closed: Self.closedNumber
        }
    }
}
