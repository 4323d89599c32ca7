// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
package import Datapath
import Kernel
import NetTypes
import PolicyEngine

extension Agent {
    /// Starts to read what the programs report.
    package func makeEventSource() throws -> any EventSource { try requireDatapath().makeEventSource() }

    /// What the programs saw, with the names that the agent knows: pods, rules, devices.
    package func describe(_ event: DatapathEvent) -> MonitorEvent {
        let direction = Self.direction(of: event)
        var info = MonitorEvent(
            kind: .new, time: Self.wallTime(event.time), direction: direction,
            source: peer(event.source, of: event), destination: peer(event.destination, of: event),
            protocol: event.protocol.name, length: event.length)
        var cookies = [event.egressCookie, event.ingressCookie]
        if case .drop(let code, let text) = event.kind {
            info.kind = .drop
            info.reason = text
            info.reasonCode = code
            cookies = [direction == .ingress ? event.ingressCookie : event.egressCookie]
        }
        let rules = cookies.compactMap { policy.origin(of: $0)?.description }
        info.rule = rules.isEmpty ? nil : rules.joined(separator: "; ")
        info.icmpType = event.icmp?.type
        info.icmpCode = event.icmp?.code
        info.tcpFlags = event.protocol == .tcp ? Self.tcpFlags(event.tcpFlags) : nil
        let end = event.fromPod ? event.source : event.destination
        if let endpoint = endpointTable[number: end.endpoint], endpoint.ifindex == event.ifindex {
            info.interface = endpoint.hostInterface
        }
        return info
    }

    private func peer(_ end: DatapathEvent.End, of event: DatapathEvent) -> EventPeer {
        EventPeer(
            address: end.address, port: event.protocol.hasPorts ? end.port : nil, identity: end.identity,
            endpoint: end.endpoint == 0 ? nil : end.endpoint, pod: policy.podName(at: end.address))
    }

    /// Drops that policy did not decide have the direction in which the packet passed the pod's device.
    private static func direction(of event: DatapathEvent) -> PolicyDirection {
        if case .drop(let reason, _) = event.kind, policyReasons.contains(reason) {
            return event.refusedByIngress ? .ingress : .egress
        }
        return event.fromPod ? .egress : .ingress
    }

    /// DP_DROP_POLICY_DENIED and DP_DROP_POLICY_DENY of `bpf/abi/drop.h`.
    private static let policyReasons: Set<UInt8> = [133, 181]

    private static func tcpFlags(_ bits: UInt8) -> String {
        ["FIN", "SYN", "RST", "PSH", "ACK", "URG"].enumerated()
            .filter { bits >> UInt8($0.offset) & 1 == 1 }.map(\.element).joined(separator: ",")
    }

    /// Seconds since 1970 of a CLOCK_MONOTONIC time.
    private static func wallTime(_ monotonic: UInt64) -> Double {
        let now = Clock.realtime()
        let age = Int64(bitPattern: Clock.monotonic() &- monotonic)
        return Double(Int64(bitPattern: now) - age) / 1e9
    }
}
