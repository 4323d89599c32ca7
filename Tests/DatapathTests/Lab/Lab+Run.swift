// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// What a program did with a packet.
enum Action: Hashable, CustomStringConvertible {
    /// Nil: not exactly one drop was counted.
    case drop(UInt8?)
    /// To the host's stack, or from it to the pod.
    case pass
    case redirect
    case other(Int32)

    static func drop(_ reason: dp_drop) -> Action { .drop(reason.rawValue) }

    var isDrop: Bool { if case .drop = self { true } else { false } }

    var description: String {
        switch self {
        case .drop(let reason?): "drop (\(dropText(reason)))"
        case .drop(nil): "drop (not counted once)"
        case .pass: "pass"
        case .redirect: "redirect"
        case .other(let number): "action \(number)"
        }
    }
}

struct Outcome {
    let action: Action
    let bytes: [UInt8]

    var packet: ParsedPacket? { ParsedPacket(bytes) }
}

struct DropCounter: Hashable {
    let reason: UInt8
    let fromPod: Bool

    var index: Int { Int((fromPod ? DP_COUNT_DROP_FROM : DP_COUNT_DROP_TO).rawValue) + Int(reason) }
}

extension Packet {
    /// As the pod's stack sends it: to its gateway.
    func sent(by pod: TestPod) -> Packet { macs(from: pod.mac, to: pod.gateway) }
}

extension Lab {
    /// Runs the program for what a pod sends. The MAC addresses are those that the pod's stack would use.
    func send(_ packet: Packet, by pod: TestPod, gsoSize: UInt32 = 0) throws -> Outcome {
        try sendFrame(packet.sent(by: pod).bytes, on: pod.ifindex, gsoSize: gsoSize)
    }

    func sendFrame(_ frame: [UInt8], on ifindex: UInt32, gsoSize: UInt32 = 0) throws -> Outcome {
        let context = SkbContext(
            ifindex: ifindex, ingressIfindex: ifindex, gsoSize: gsoSize,
            gsoSegments: gsoSize == 0 ? 0 : UInt32(frame.count) / gsoSize + 1)
        return try outcome(datapath.fromEndpoint.testRun(frame, context: context), fromPod: true)
    }

    /// Runs the program for what the host's stack hands to a pod.
    ///
    /// - Parameter ingress: the device that it came in by; 0: a process of this node sent it. Nil: the uplink.
    func deliver(_ packet: Packet, to pod: TestPod, ingress: UInt32? = nil) throws -> Outcome {
        try deliverFrame(packet.bytes, to: pod.ifindex, ingress: ingress ?? uplink)
    }

    func deliverFrame(_ frame: [UInt8], to ifindex: UInt32, ingress: UInt32) throws -> Outcome {
        let context = SkbContext(ifindex: ifindex, ingressIfindex: ingress)
        return try outcome(datapath.toEndpoint.testRun(frame, context: context), fromPod: false)
    }

    func outcome(_ result: TestRunResult, fromPod: Bool) throws -> Outcome {
        let action: Action =
            switch result.verdict {
            case 0: .pass
            case 2: .drop(try takeDrop(fromPod: fromPod))
            case 7: .redirect
            default: .other(result.verdict)
            }
        return Outcome(action: action, bytes: result.packet)
    }

    /// The reason that was counted since the last look, if it was one and once.
    func takeDrop(fromPod: Bool) throws -> UInt8? {
        var found: [UInt8] = []
        for reason in dropReasons {
            let counter = DropCounter(reason: reason, fromPod: fromPod)
            let count = try packets(at: counter.index)
            let before = drops[counter] ?? 0
            if count > before { found += [UInt8](repeating: reason, count: Int(min(count - before, 8))) }
            drops[counter] = count
        }
        // Devices that a program is attached to send packets of their own, as they come up.
        if found.count > 1 { found.removeAll { $0 == DP_DROP_FORBIDDEN_ICMP6.rawValue } }
        return found.count == 1 ? found[0] : nil
    }

    /// Takes what is counted by now as known.
    func noteDrops() throws {
        for reason in dropReasons {
            for fromPod in [true, false] {
                let counter = DropCounter(reason: reason, fromPod: fromPod)
                drops[counter] = try packets(at: counter.index)
            }
        }
    }

    /// An element of the counters, over all CPUs.
    func packets(at index: Int) throws -> UInt64 {
        try datapath.shared.counters.reduce(index, into: 0) { $0 += $1.packets }
    }

    func packets(at counter: dp_counter) throws -> UInt64 { try packets(at: Int(counter.rawValue)) }
}

// MARK: Flows

/// An entry of the connection table, seen by people.
struct FlowEntry {
    let key: flow_key
    let value: flow

    func has(_ flag: flow_flag) -> Bool { value.flags & flag.rawValue != 0 }

    /// Position of an address in the key.
    func index(of address: IPAddress) -> Int { key.addr.0.address == address ? 0 : 1 }
    var initiator: IPAddress { has(DP_FLOW_INITIATOR_1) ? key.addr.1.address : key.addr.0.address }
    func end(of address: IPAddress) -> flow_end { index(of: address) == 0 ? value.end.0 : value.end.1 }
    func hasFIN(of address: IPAddress) -> Bool { has(index(of: address) == 0 ? DP_FLOW_FIN_0 : DP_FLOW_FIN_1) }
}

extension Lab {
    func flows() throws -> [FlowEntry] {
        try datapath.shared.flows.entries().map { FlowEntry(key: $0.key, value: $0.value) }
    }

    /// The entry of a packet's flow, whichever way the packet goes. Echoes: those that the sender of the packet asks for.
    func flow(of packet: Packet) throws -> FlowEntry? {
        let (source, destination) = packet.ends
        let found = try flows().filter { entry in
            let ends = entry.key.ends
            let both = [(source, destination), (destination, source)]
            guard entry.key.protocol == packet.protocolNumber else { return false }
            return both.contains { ends[0] == $0 && ends[1] == $1 }
        }
        return found.first
    }

    /// The only entry there is.
    func onlyFlow(sourceLocation: SourceLocation = #_sourceLocation) throws -> FlowEntry {
        let all = try flows()
        try #require(all.count == 1, sourceLocation: sourceLocation)
        return all[0]
    }

    func forgetFlows() throws {
        try datapath.shared.flows.deleteBatch(datapath.shared.flows.entries().map(\.key))
    }
}

extension Packet {
    var protocolNumber: UInt8 {
        switch transport {
        case .tcp: 6
        case .udp: 17
        case .sctp: 132
        case .icmp: ip?.isIPv6 == true ? 58 : 1
        case .other(let number): number
        }
    }

    /// Both ends as a flow key has them: an echo's identifier stands for both ports.
    var ends: ((address: IPAddress, port: UInt16), (address: IPAddress, port: UInt16)) {
        let source = ip?.source ?? .unspecifiedIPv4
        let destination = ip?.destination ?? .unspecifiedIPv4
        switch transport {
        case .tcp(let header): return ((source, header.source), (destination, header.destination))
        case .udp(let header): return ((source, header.source), (destination, header.destination))
        case .sctp(let header): return ((source, header.source), (destination, header.destination))
        case .icmp(let header):
            let id = UInt16(header.rest >> 16)
            return ((source, id), (destination, id))
        case .other: return ((source, 0), (destination, 0))
        }
    }
}
