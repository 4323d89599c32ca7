// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc
import Kernel

/// A map of the kernel, without a type for its keys and values. Sole owner of the file descriptor; the map itself lives
/// as long as a descriptor, a pin or a loaded program holds it.
package struct MapHandle: ~Copyable, Sendable {
    package let info: MapInfo
    let fd: OwnedFD
    /// For calls made while this value is borrowed.
    var raw: Int32 { fd.raw }

    /// Takes over a map's descriptor.
    package init(adopting raw: Int32) throws(BPFError) {
        self.fd = OwnedFD(adopting: raw)
        self.info = try Self.info(of: raw)
    }

    /// Makes a map. The name may have 15 bytes of `[A-Za-z0-9_.]`.
    package init(
        creating type: MapType, name: String, keySize: Int, valueSize: Int, maxEntries: Int, flags: MapFlags = []
    ) throws(BPFError) {
        let raw = unsafe clibbpf_map_create(
            type.rawValue, name, UInt32(clamping: keySize), UInt32(clamping: valueSize),
            UInt32(clamping: maxEntries), flags.rawValue)
        try check(raw, "create", "\(type) map \(name) of \(maxEntries) entries")
        try self.init(adopting: raw)
    }

    /// Opens a map by the path that it is pinned at. ENOENT if there is none.
    package init(pinned path: String) throws(BPFError) {
        let raw = unsafe bpf_obj_get(path)
        try check(raw, "open", "pinned map \(path)")
        try self.init(adopting: raw)
    }

    /// Opens a map by its id. ENOENT if it is gone.
    package init(id: UInt32) throws(BPFError) {
        let raw = bpf_map_get_fd_by_id(id)
        try check(raw, "open", "map with id \(id)")
        try self.init(adopting: raw)
    }

    /// A second owner of the same map.
    package func duplicate() throws(BPFError) -> MapHandle {
        try MapHandle(adopting: duplicateDescriptor(raw, of: "map \(info.name)"))
    }

    /// Pins the map to `path` in a bpf file system. EEXIST if something is pinned there, unless `replacing`: then the
    /// path switches over in one step. The last component of a path must not have a dot.
    package func pin(to path: String, replacing: Bool = false) throws(BPFError) {
        try BPFPin.create(raw, at: path, replacing: replacing, subject: "map \(info.name)")
    }

    /// Kernel memory that the map is charged with now, bytes; 0 if the kernel does not say.
    package var memoryUsage: Int { DescriptorInfo(raw)["memlock"].flatMap { Int($0) } ?? 0 }

    private static func info(of raw: Int32) throws(BPFError) -> MapInfo {
        var info = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(unsafe bpf_obj_get_info_by_fd(raw, &info, &length), "inspect", "map")
        return MapInfo(
            id: info.id, type: MapType(rawValue: info.type), name: kernelName(info.name),
            keySize: Int(info.key_size), valueSize: Int(info.value_size), maxEntries: Int(info.max_entries),
            flags: MapFlags(rawValue: info.map_flags))
    }
}

/// A map seen through a Swift type that is checked against the kernel's when it is opened.
package protocol KernelMap: ~Copyable {
    /// Takes the map over; throws `BPFError.Reason.layout` if its type or sizes are not what `Self` needs.
    init(_ handle: consuming MapHandle) throws(BPFError)

    /// What the kernel says about it.
    var info: MapInfo { get }

    /// Calls `body` with the descriptor, which stays owned by this value.
    borrowing func withDescriptor<Result: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result
}

extension MapHandle: KernelMap {
    package init(_ handle: consuming MapHandle) throws(BPFError) { self = handle }

    package borrowing func withDescriptor<Result: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result { try body(raw) }
}

extension MapHandle {
    func requireLayout(type: [MapType], key: Int?, value: Int?) throws(BPFError) {
        var differences: [String] = []
        if !type.isEmpty, !type.contains(info.type) {
            differences.append("type is \(info.type), not \(type.map(\.description).joined(separator: " or "))")
        }
        if let key, key != info.keySize { differences.append("keys have \(info.keySize) bytes, not \(key)") }
        if let value, value != info.valueSize {
            differences.append("values have \(info.valueSize) bytes, not \(value)")
        }
        guard differences.isEmpty else {
            throw BPFError(
                "use", "map \(info.name)", errno: EINVAL, reason: .layout(differences.joined(separator: ", ")))
        }
    }
}
