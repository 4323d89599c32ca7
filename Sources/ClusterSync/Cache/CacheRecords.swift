// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Model
import NetTypes
import ObjectDecoding

/// One object of one kind as a line of the cache. What can't be read is as if it were not there.
enum CacheRecords {
    struct Namespace: Decodable {
        let name: String
        let labels: [String: String]
    }

    struct Pod: Decodable {
        let namespace: String
        let name: String
        let uid: String?
        let labels: [String: String]
        let ports: [Port]
        let addresses: [IPAddress]
        let hostNetwork: Bool
    }

    struct Port: Decodable {
        let name: String
        let `protocol`: UInt8
        let port: UInt16

        var namedPort: NamedPort {
            NamedPort(name: name, protocol: IPProtocol(rawValue: `protocol`), port: port)
        }
    }

    struct Node: Decodable {
        let name: String
        let addresses: [IPAddress]
        let podRanges: [Prefix]
    }

    struct Identity: Decodable {
        let number: IdentityNumber
        let uid: String
        let labels: [String: String]
    }

    struct Slice: Decodable {
        struct Endpoint: Decodable {
            let addresses: [IPAddress]
            let identity: IdentityNumber
            let ports: [Port]?
            let namespace: String
            let pod: String
        }

        let name: String
        let node: String
        let endpoints: [Endpoint]
    }

    struct APIServers: Decodable {
        let name: String
        let addresses: Set<IPAddress>
    }

    struct Service: Decodable {
        let namespace: String
        let name: String
        let addresses: Set<IPAddress>
    }

    struct Policy: Decodable {
        let uid: String
        let generation: Int64
        let object: FieldNode
    }

    // MARK: Writing

    static func write(_ namespace: Model.Namespace, to text: inout JSONText) {
        text.object(["name": { $0.string(namespace.name) }, "labels": { $0.map(namespace.labels.pairs) }])
    }

    static func write(_ pod: Model.Pod, to text: inout JSONText) {
        text.object([
            "namespace": { $0.string(pod.namespace) }, "name": { $0.string(pod.name) },
            "uid": { $0.string(pod.uid ?? "") }, "labels": { $0.map(pod.labels.pairs) },
            "ports": { write(pod.namedPorts, to: &$0) },
            "addresses": { write(pod.addresses, to: &$0) }, "hostNetwork": { $0.bool(pod.hostNetwork) },
        ])
    }

    static func write(_ node: ClusterNode, to text: inout JSONText) {
        text.object([
            "name": { $0.string(node.name) }, "addresses": { write(node.addresses, to: &$0) },
            "podRanges": { $0.array(node.podRanges) { $0.string($1.description) } },
        ])
    }

    static func write(_ number: IdentityNumber, _ labels: SecurityLabels, uid: String, to text: inout JSONText) {
        text.object([
            "number": { $0.number(number) }, "uid": { $0.string(uid) },
            "labels": { $0.map(labels.flat.lazy.map { (key: $0.key, value: $0.value) }) },
        ])
    }

    static func write(_ name: String, _ slice: EndpointSlice, to text: inout JSONText) {
        text.object([
            "name": { $0.string(name) }, "node": { $0.string(slice.node) },
            "endpoints": { $0.array(slice.endpoints) { write($1, to: &$0) } },
        ])
    }

    static func write(_ name: String, _ addresses: Set<IPAddress>, to text: inout JSONText) {
        text.object(["name": { $0.string(name) }, "addresses": { write(Array(addresses), to: &$0) }])
    }

    static func write(_ service: ObjectReference, _ addresses: Set<IPAddress>, to text: inout JSONText) {
        text.object([
            "namespace": { $0.string(service.namespace) }, "name": { $0.string(service.name) },
            "addresses": { write(Array(addresses), to: &$0) },
        ])
    }

    static func write(_ record: PolicyRecord, generation: Int64, to text: inout JSONText) {
        text.object([
            "uid": { $0.string(record.uid) }, "generation": { $0.number(generation) },
            "object": { $0.raw(record.text) },
        ])
    }

    private static func write(_ endpoint: ClusterEndpoint, to text: inout JSONText) {
        text.object([
            "addresses": { write(endpoint.addresses, to: &$0) }, "identity": { $0.number(endpoint.identity) },
            "ports": { write(endpoint.namedPorts, to: &$0) }, "namespace": { $0.string(endpoint.namespace) },
            "pod": { $0.string(endpoint.podName) },
        ])
    }

    private static func write(_ addresses: [IPAddress], to text: inout JSONText) {
        text.array(addresses) { $0.string($1.description) }
    }

    private static func write(_ ports: [NamedPort], to text: inout JSONText) {
        text.array(ports) { text, port in
            text.object([
                "name": { $0.string(port.name) }, "protocol": { $0.number(port.protocol.rawValue) },
                "port": { $0.number(port.port) },
            ])
        }
    }

    // MARK: Reading

    /// The records of a file, one a line.
    static func read<Record: Decodable>(_ type: Record.Type, from bytes: [UInt8]) -> [Record] {
        let decoder = JSONDecoder()
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { try? decoder.decode(type, from: Data($0)) }
    }
}

extension Labels {
    fileprivate var pairs: some Sequence<(key: String, value: String)> { lazy.map { (key: $0.key, value: $0.value) } }

    init(cached: [String: String]) {
        self.init(cached.lazy.map { (key: $0.key, value: $0.value) })
    }
}
