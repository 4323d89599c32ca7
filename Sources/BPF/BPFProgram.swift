// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc
import Kernel

/// A loaded program. Sole owner of its descriptor; the program lives as long as a descriptor, a pin or a link holds it.
package struct BPFProgram: ~Copyable, Sendable {
    /// As in the object file; for programs opened by id or pin, the kernel's name of at most 15 bytes.
    package let name: String
    private let fd: OwnedFD
    var raw: Int32 { fd.raw }

    /// What the kernel says about a program. Sizes in bytes.
    package struct Info: Hashable, Sendable {
        package let id: UInt32
        package let type: ProgramType
        package let name: String
        /// Hash of the instructions, 16 hex digits.
        package let tag: String
        /// Instructions that the verifier went through; 0 before Linux 5.16.
        package let verifiedInstructions: Int
        /// After the verifier's rewriting and dead code removal; 8 bytes an instruction.
        package let translatedSize: Int
        package let jitedSize: Int
        /// Counted only while kernel.bpf_stats_enabled is set.
        package let runCount: UInt64
        package let runNanoseconds: UInt64
        /// Kernel memory charged for it, bytes.
        package let memoryUsage: Int
    }

    init(adopting raw: Int32, name: String? = nil) throws(BPFError) {
        self.fd = OwnedFD(adopting: raw)
        self.name = if let name { name } else { try Self.info(of: raw, name: nil).name }
    }

    package init(pinned path: String) throws(BPFError) {
        let raw = unsafe bpf_obj_get(path)
        try check(raw, "open", "pinned program \(path)")
        try self.init(adopting: raw)
    }

    /// ENOENT if there is no such program any more.
    package init(id: UInt32) throws(BPFError) {
        let raw = bpf_prog_get_fd_by_id(id)
        try check(raw, "open", "program with id \(id)")
        try self.init(adopting: raw)
    }

    /// Loads hand-assembled instructions under a GPL licence; on failure the error holds the verifier's log.
    package init(
        assembling name: String, type: ProgramType, _ instructions: [Instruction]
    ) throws(BPFError) {
        let words = instructions.flatMap(\.words)
        var log = [CChar](repeating: 0, count: 16 * 1024)
        let size = UInt32(log.count)
        var raw = unsafe clibbpf_prog_load(type.rawValue, name, words, words.count, nil, 0)
        if raw < 0 { raw = unsafe clibbpf_prog_load(type.rawValue, name, words, words.count, &log, size) }
        guard raw >= 0 else {
            let text = log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.suffix(LibbpfLog.limit)
            throw BPFError(
                "load", "program \(name)", errno: -raw, log: String(decoding: text, as: UTF8.self))
        }
        try self.init(adopting: raw, name: name)
    }

    package func info() throws(BPFError) -> Info { try Self.info(of: raw, name: name) }

    /// Pins the program; see `MapHandle.pin`.
    package func pin(to path: String, replacing: Bool = false) throws(BPFError) {
        try BPFPin.create(raw, at: path, replacing: replacing, subject: "program \(name)")
    }

    /// Calls `body` with the descriptor, which stays owned by this value: for a netlink message that attaches it.
    package borrowing func withDescriptor<Result: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result { try body(raw) }

    private static func info(of raw: Int32, name: String?) throws(BPFError) -> Info {
        var info = bpf_prog_info()
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        try check(
            unsafe bpf_obj_get_info_by_fd(raw, &info, &length), "inspect", "program \(name ?? "")")
        let tag = unsafe withUnsafeBytes(of: info.tag) { unsafe $0.map { hex($0) }.joined() }
        return Info(
            id: info.id, type: ProgramType(rawValue: info.type), name: name ?? kernelName(info.name), tag: tag,
            verifiedInstructions: Int(info.verified_insns), translatedSize: Int(info.xlated_prog_len),
            jitedSize: Int(info.jited_prog_len), runCount: info.run_cnt, runNanoseconds: info.run_time_ns,
            memoryUsage: DescriptorInfo(raw)["memlock"].flatMap { Int($0) } ?? 0)
    }

    private static func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
    }
}

/// The kernel's `enum bpf_prog_type`; the types used here.
package struct ProgramType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let trafficControl = ProgramType(rawValue: 3)
    package static let xdp = ProgramType(rawValue: 6)

    package var description: String {
        switch self {
        case .trafficControl: "sched_cls"
        case .xdp: "xdp"
        default: "type \(rawValue)"
        }
    }
}
