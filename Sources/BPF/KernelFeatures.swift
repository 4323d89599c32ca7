// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// What this kernel's BPF can do, found by trying once at start.
package struct KernelFeatures: Sendable {
    /// One feature, and what is used where it is missing.
    package struct Feature: Hashable, Sendable {
        package let name: String
        package let isAvailable: Bool
        /// In words; "none" for what cannot be done without.
        package let fallback: String
        /// Without it nothing works.
        package var isRequired: Bool { fallback == "none" }
    }

    package let all: [Feature]

    /// TCX links (Linux 6.6): attachments that are replaced in one step and last by their pins.
    package var tcxLinks: Bool { self["tcx links"] }
    package var verifiedInstructions: Bool { self["verified instruction count"] }
    package var hashBatch: Bool { self["batch operations on hash maps"] }

    /// The features without which nothing works and that are missing.
    package var missing: [Feature] { all.filter { $0.isRequired && !$0.isAvailable } }

    private subscript(name: String) -> Bool { all.contains { $0.name == name && $0.isAvailable } }

    /// Tries everything: a few dozen system calls. Nothing is attached or pinned, and what is made is closed again.
    ///
    /// Throws EPERM if this process may not use BPF at all, so that missing rights do not look like an old kernel.
    package static func probe() throws(BPFError) -> KernelFeatures {
        let array = try MapHandle(
            creating: .array, name: "probe", keySize: 4, valueSize: 4, maxEntries: 1)
        let pass = try BPFProgram(assembling: "probe", type: .trafficControl, [.set(0, 0), .exit])
        let none = "none"
        return KernelFeatures(all: [
            Feature(
                name: "tcx links", isAvailable: tcx(pass),
                fallback: "clsact qdisc and tc filters, attached by netlink"),
            Feature(name: "ring buffer", isAvailable: makes(.ringBuffer, 0, 0, getpagesize()), fallback: none),
            Feature(name: "lru hash maps", isAvailable: makes(.lruHash, 4, 4, 16), fallback: none),
            Feature(
                name: "prefix tries", isAvailable: makes(.lpmTrie, 8, 4, 1, .noPreallocation), fallback: none),
            Feature(
                name: "arrays mapped into memory", isAvailable: makes(.array, 4, 4, 1, .mappable), fallback: none),
            Feature(
                name: "redirect to the peer of a veth", isAvailable: helper(.redirectPeer, [.set(1, 1), .set(2, 0)]),
                fallback: none),
            Feature(
                name: "redirect to a neighbour",
                isAvailable: helper(.redirectNeighbour, [.set(1, 1), .set(2, 0), .set(3, 0), .set(4, 0)]),
                fallback: none),
            Feature(
                name: "batch operations on hash maps", isAvailable: batches(.hash, []),
                fallback: "one system call for each entry"),
            Feature(
                name: "batch operations on prefix tries", isAvailable: batches(.lpmTrie, .noPreallocation),
                fallback: "one system call for each entry"),
            Feature(
                name: "verified instruction count", isAvailable: ((try? pass.info())?.verifiedInstructions ?? 0) > 0,
                fallback: "not shown"),
            Feature(name: "memory shown by map", isAvailable: array.memoryUsage > 0, fallback: "not shown"),
        ])
    }

    /// A device that cannot be: a kernel that knows TCX looks for it, others do not know the attach type.
    private static func tcx(_ program: borrowing BPFProgram) -> Bool {
        let result = clibbpf_link_create(program.raw, UInt32(Int32.max), CLIBBPF_ATTACH_TCX_INGRESS.rawValue, 0)
        if result >= 0 { close(result) }
        return result == -ENODEV
    }

    private static func makes(
        _ type: MapType, _ key: Int, _ value: Int, _ entries: some BinaryInteger, _ flags: MapFlags = []
    ) -> Bool {
        let raw = unsafe clibbpf_map_create(
            type.rawValue, "probe", UInt32(key), UInt32(value), UInt32(entries), flags.rawValue)
        if raw >= 0 { close(raw) }
        return raw >= 0
    }

    private static func helper(_ helper: Instruction.Helper, _ arguments: [Instruction]) -> Bool {
        let program = try? BPFProgram(
            assembling: "probe", type: .trafficControl, arguments + [.call(helper), .set(0, 0), .exit])
        return program != nil
    }

    private static func batches(_ type: MapType, _ flags: MapFlags) -> Bool {
        guard let map = try? BPFMap<UInt64, UInt32>(creating: type, name: "probe", maxEntries: 1, flags: flags) else {
            return false
        }
        var (key, value, position, count) = (UInt64(0), UInt32(0), UInt64(0), UInt32(1))
        let result = unsafe bpf_map_lookup_batch(
            map.handle.raw, nil, &position, &key, &value, &count, nil)
        return result == 0 || result == -ENOENT
    }
}
