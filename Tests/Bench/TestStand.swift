// SPDX-License-Identifier: Apache-2.0
import BPF
import Datapath
import NetTypes
import TestSupport

/// The wrapper and the bare program of `bpf/tests/bench.bpf.c`.
final class TestStand {
    enum Target {
        /// The wrapper by itself.
        case none
        case bare
        /// A program's descriptor.
        case program(Int32)
    }

    /// `struct bench_template`.
    private struct Template: BitwiseCopyable {
        var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    }

    /// `struct bare_key`.
    private struct BareKey: BitwiseCopyable {
        var source, destination: UInt32
        var ports: UInt32
        var `protocol`: UInt32
    }

    private let templates: BPFMap<UInt32, Template>
    private let counter: BPFMap<UInt32, UInt32>
    private let target: BPFMap<UInt32, UInt32>
    private let bareFlows: BPFMap<BareKey, BareValue>
    private let wrapper: BPFProgram
    private let bareProgram: BPFProgram

    /// `struct bare_flow` as three words, which has no padding.
    private struct BareValue: BitwiseCopyable {
        var ifindex: UInt32
        var mac: (UInt32, UInt32) = (0, 0)
    }

    init(_ object: borrowing BPFObject) throws {
        templates = try object.map("bench_template")
        counter = try object.map("bench_counter")
        target = try object.map("bench_target")
        bareFlows = try object.map("bare_flows")
        wrapper = try object.program("bench_restore")
        bareProgram = try object.program("bench_bare")
    }

    /// Nanoseconds a packet, the wrapper's own included.
    ///
    /// - Parameter flows: a power of two; ports vary over so many flows.
    func measure(
        _ packet: Packet, ifindex: UInt32, _ what: Target, flows: Int, packets: Int, scrambled: Bool = true
    ) throws -> Double {
        try load(packet, flows: flows, scrambled: scrambled)
        switch what {
        case .none: _ = try target.delete(0)
        case .bare:
            let descriptor = bareProgram.withDescriptor { $0 }
            try target.update(0, UInt32(bitPattern: descriptor))
        case .program(let descriptor): try target.update(0, UInt32(bitPattern: descriptor))
        }
        let run = try wrapper.testRun(
            padded(packet), context: SkbContext(ifindex: ifindex), repetitions: packets, returnsPacket: false)
        return Double(run.nanoseconds)
    }

    func load(_ packet: Packet, flows: Int = 1, scrambled: Bool = true) throws {
        let bytes = Array(padded(packet).prefix(80))
        var words = [UInt64](repeating: 0, count: 12)
        for (index, byte) in bytes.enumerated() { words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8) }
        let isIPv4 = packet.bytes[12] == 8
        if flows > 1 {
            words[10] = UInt64(isIPv4 ? 34 : 54) | UInt64(flows - 1) << 32
            words[11] = scrambled ? 40_503 : 1
        }
        try templates.update(
            0,
            Template(
                words: (
                    words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8],
                    words[9], words[10], words[11]
                )))
        try counter.update(0, 0)
    }

    /// So that the wrapper can restore 78 bytes of it, whatever the family.
    private func padded(_ packet: Packet) -> [UInt8] {
        let bytes = packet.bytes
        return bytes + [UInt8](repeating: 0, count: max(0, 128 - bytes.count))
    }

    /// The flows that `measure` then meets.
    func addFlows(_ opening: Packet, ifindex: UInt32, _ program: Int32, count: Int) throws {
        _ = try measure(
            opening, ifindex: ifindex, .program(program), flows: count, packets: count, scrambled: false)
    }

    func addBareFlow(_ packet: Packet, to ifindex: UInt32) throws {
        guard let key = key(packet, source: nil, destination: nil) else { return }
        try bareFlows.update(key, BareValue(ifindex: ifindex))
    }

    /// The flows that `measure` makes of the packet with so many of them.
    func addBareFlows(_ packet: Packet, to ifindex: UInt32, count: Int) throws {
        for flow in 0..<count {
            let source = UInt16(1024 + flow & 0x3fff), destination = UInt16(8080 + flow >> 14)
            guard let key = key(packet, source: source, destination: destination) else { return }
            try bareFlows.update(key, BareValue(ifindex: ifindex))
        }
    }

    private func key(_ packet: Packet, source: UInt16?, destination: UInt16?) -> BareKey? {
        let bytes = packet.bytes
        guard bytes[12] == 8 else { return nil }
        func word(_ offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        var ports = word(34)
        if let source, let destination { ports = UInt32(source.bigEndian) | UInt32(destination.bigEndian) << 16 }
        return BareKey(source: word(26), destination: word(30), ports: ports, protocol: UInt32(bytes[23]))
    }
}
