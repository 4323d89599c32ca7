// SPDX-License-Identifier: Apache-2.0
import AgentIPC
package import NetTypes
import Synchronization

/// A pod as a container runtime has it before its network is made: a network namespace and a name.
package final class TestPod: Sendable {
    package let node: TestNode
    package let name: String
    package let podNamespace: String
    package let labels: [String: String]
    /// 64 hexadecimal digits, of this pod alone.
    package let containerID: String
    package let namespace: TestNamespace
    private let found = Mutex<[IPAddress]>([])

    package init(
        on node: TestNode, _ name: String, namespace podNamespace: String = "default", labels: [String: String] = [:]
    ) throws {
        self.node = node
        self.name = name
        self.podNamespace = podNamespace
        self.labels = labels
        var generator = SystemRandomNumberGenerator()
        containerID = (0..<4).map { _ in
            let digits = String(UInt64.random(in: .min ... .max, using: &generator), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        namespace = try TestNamespace()
    }

    /// "namespace/name".
    package var fullName: String { "\(podNamespace)/\(name)" }

    /// Of the last ADD, IPv4 before IPv6; none before the first.
    package var addresses: [IPAddress] { found.withLock { $0 } }
    /// Traps where there is none.
    package var address4: IPAddress { address { $0.isIPv4 } }
    package var address6: IPAddress { address { !$0.isIPv4 } }

    private func address(where matches: (IPAddress) -> Bool) -> IPAddress {
        guard let found = addresses.first(where: matches) else {
            preconditionFailure("pod \(fullName) has no such address")
        }
        return found
    }

    func setAddresses(_ addresses: [IPAddress]) { found.withLock { $0 = addresses } }

    /// Runs `body` in the pod's network on the calling thread.
    package func run<Success: ~Copyable>(_ body: () throws -> Success) throws -> Success {
        try namespace.run(body)
    }
}

extension TestNode {
    /// Makes a pod and wires it. It is the caller's: its namespace goes with it.
    package func addPod(
        _ name: String, namespace: String = "default", labels: [String: String] = [:]
    ) throws -> TestPod {
        let pod = try TestPod(on: self, name, namespace: namespace, labels: labels)
        try pod.add()
        return pod
    }
}
