// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import NetTypes

extension Plugin {
    /// CHECK: what ADD has printed, the agent's state and the kernel's must agree.
    func check(_ invocation: Invocation, _ configuration: NetworkConfiguration) throws(CNIError) {
        guard let previous = configuration.previousResult else {
            throw CNIError(.invalidConfiguration, "prevResult is missing: CHECK compares with it")
        }
        let legs = try Self.legs(of: try CNIResult(decoding: previous), on: invocation.interface)
        try wired { () throws(WiringError) in try wiring.openNamespace(invocation.netns) }
        let info = try asking { () throws(AgentError) in
            try AgentClient(socket: configuration.socket).endpoint(invocation.endpoint, by: .after(timeouts.request))
        }
        let name = "container \(invocation.containerID) interface \(invocation.interface)"
        guard let info else { throw CNIError(.checkFailed, "\(name): the agent does not know it") }
        guard info.state == .ready else {
            throw CNIError(.checkFailed, "\(name): the agent has it as \(info.state.rawValue)")
        }
        guard Set(legs.map(\.address)) == Set(info.addresses) else {
            throw CNIError(
                .checkFailed, "\(name): prevResult and the agent have different addresses",
                details: "prevResult: \(Self.list(legs.map(\.address))); agent: \(Self.list(info.addresses))")
        }
        let plan = WiringPlan(
            netns: invocation.netns, interface: invocation.interface, hostInterface: info.hostInterface,
            podMAC: info.podMAC, gatewayMAC: info.gatewayMAC, mtu: info.mtu, legs: legs)
        let snapshot = try wired { () throws(WiringError) in try wiring.inspect(plan) }
        let differences = plan.differences(from: snapshot)
        guard let first = differences.first else { return }
        throw CNIError(
            .checkFailed, "\(name): \(first)", details: differences.dropFirst().joined(separator: "; "))
    }

    private static func list(_ addresses: [IPAddress]) -> String {
        addresses.map(\.description).joined(separator: ", ")
    }

    /// The addresses of the container's interface in a result.
    static func legs(of result: CNIResult, on interface: String) throws(CNIError) -> [WiringPlan.Leg] {
        let index = (result.interfaces ?? []).firstIndex { $0.name == interface && !($0.sandbox ?? "").isEmpty }
        guard let index else {
            throw CNIError(.invalidConfiguration, "prevResult has no interface \(interface) in a container")
        }
        var legs: [WiringPlan.Leg] = []
        for ip in result.ips ?? [] where ip.interface == index {
            guard let prefix = Prefix(ip.address), let gateway = IPAddress(ip.gateway ?? "") else {
                throw CNIError(
                    .invalidConfiguration,
                    "prevResult: \"\(ip.address)\" with gateway \"\(ip.gateway ?? "")\" is no address of skein's")
            }
            legs.append(WiringPlan.Leg(address: prefix.address, gateway: gateway))
        }
        guard !legs.isEmpty else {
            throw CNIError(.invalidConfiguration, "prevResult has no address on interface \(interface)")
        }
        return legs
    }
}
