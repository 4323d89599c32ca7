// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// An object file, opened but not yet in the kernel: settings, map sizes and map sharing are chosen here.
@safe package struct BPFSpec: ~Copyable, @unchecked Sendable {
    /// A map as the object file defines it, or as it was changed since.
    package struct Map: Hashable, Sendable {
        package let name: String
        package let type: MapType
        package let keySize: Int
        package let valueSize: Int
        package let maxEntries: Int
        package let flags: MapFlags
    }

    package let path: String
    private let object: OpaquePointer
    /// By the name in the file: libbpf itself renames a map that is reused.
    private let mapsByName: [String: OpaquePointer]
    private let mapNames: [String]
    package let programNames: [String]

    package init(path: String) throws(BPFError) {
        var opened: OpaquePointer?
        try LibbpfLog.capture("open", "object file \(path)") { unsafe clibbpf_object_open(path, &opened) }
        guard let object = unsafe opened else { throw BPFError("open", "object file \(path)", errno: ENOENT) }
        var maps: [String: OpaquePointer] = unsafe [:]
        var mapNames: [String] = []
        var map = unsafe bpf_object__next_map(object, nil)
        while let current = unsafe map {
            let name = unsafe String(cString: bpf_map__name(current))
            unsafe maps[name] = current
            mapNames.append(name)
            unsafe map = bpf_object__next_map(object, current)
        }
        var programNames: [String] = []
        var program = unsafe bpf_object__next_program(object, nil)
        while let current = unsafe program {
            programNames.append(unsafe String(cString: bpf_program__name(current)))
            unsafe program = bpf_object__next_program(object, current)
        }
        self.path = path
        unsafe self.object = object
        unsafe mapsByName = maps
        self.mapNames = mapNames
        self.programNames = programNames
    }

    deinit { unsafe bpf_object__close(object) }

    /// In the order of the file; sections of variables, such as ".rodata.config", are maps too.
    package var maps: [Map] {
        mapNames.compactMap { name in
            guard let map = unsafe mapsByName[name] else { return nil }
            return unsafe Map(
                name: name, type: MapType(rawValue: bpf_map__type(map).rawValue),
                keySize: Int(bpf_map__key_size(map)), valueSize: Int(bpf_map__value_size(map)),
                maxEntries: Int(bpf_map__max_entries(map)), flags: MapFlags(rawValue: bpf_map__map_flags(map)))
        }
    }

    /// Sets the variables of a read-only section. The verifier takes them for constants and removes what they turn off.
    /// `Config` must be all that is in the section.
    package mutating func setConfig<Config: BitwiseCopyable>(
        _ config: Config, section: String = ".rodata.config"
    ) throws(BPFError) {
        let map = try unsafe find(section)
        let size = Int(unsafe bpf_map__value_size(map))
        guard size == MemoryLayout<Config>.size else {
            throw BPFError(
                "configure", "object file \(path)", errno: EINVAL,
                reason: .layout("section \(section) has \(size) bytes, not \(MemoryLayout<Config>.size)"))
        }
        let result = unsafe withUnsafePointer(to: config) { unsafe bpf_map__set_initial_value(map, $0, size) }
        try check(result, "configure", "object file \(path)")
    }

    /// Entries of a map; for ring buffers bytes, a power of two and a multiple of the page size.
    package mutating func resize(map name: String, maxEntries: Int) throws(BPFError) {
        try check(
            unsafe bpf_map__set_max_entries(find(name), UInt32(clamping: maxEntries)), "resize", "map \(name)")
    }

    package mutating func setFlags(map name: String, _ flags: MapFlags) throws(BPFError) {
        try check(unsafe bpf_map__set_map_flags(find(name), flags.rawValue), "set the flags of", "map \(name)")
    }

    /// `load` then opens the map pinned at `path` if there is one, else makes one and pins it there. An existing map
    /// with another layout makes `load` fail.
    package mutating func pin(map name: String, at path: String) throws(BPFError) {
        try check(unsafe bpf_map__set_pin_path(find(name), path), "set the pin of", "map \(name)")
    }

    /// Uses an existing map for the one of that name. Its type and sizes must be equal; the number of entries is that
    /// of the existing map.
    package mutating func reuse<Existing: KernelMap & ~Copyable>(
        map name: String, _ existing: borrowing Existing
    ) throws(BPFError) {
        let map = try unsafe find(name)
        let info = existing.info
        guard unsafe info.type.rawValue == bpf_map__type(map).rawValue,
            unsafe info.keySize == Int(bpf_map__key_size(map)),
            unsafe info.valueSize == Int(bpf_map__value_size(map))
        else {
            let wanted = unsafe "\(MapType(rawValue: bpf_map__type(map).rawValue))"
            let key = unsafe bpf_map__key_size(map)
            let value = unsafe bpf_map__value_size(map)
            throw BPFError(
                "use", "an existing map for \(name)", errno: EINVAL,
                reason: .layout(
                    "it is \(info.type) with \(info.keySize) + \(info.valueSize) bytes, "
                        + "not \(wanted) with \(key) + \(value)"))
        }
        let result = existing.withDescriptor { unsafe bpf_map__reuse_fd(map, $0) }
        try check(result, "use", "an existing map for \(name)")
    }

    /// Leaves a program out of `load`.
    package mutating func disable(program name: String) throws(BPFError) {
        guard let program = unsafe bpf_object__find_program_by_name(object, name) else {
            throw missing("program \(name)")
        }
        try check(unsafe bpf_program__set_autoload(program, false), "leave out", "program \(name)")
    }

    /// Makes the maps and loads the programs. On failure nothing stays in the kernel (maps pinned by `pin` do), and
    /// the error holds the end of the verifier's log.
    package consuming func load() throws(BPFError) -> BPFObject {
        try LibbpfLog.capture("load", "object file \(path)") { unsafe bpf_object__load(object) }
        return BPFObject(self)
    }

    private func find(_ name: String) throws(BPFError) -> OpaquePointer {
        guard let map = unsafe mapsByName[name] else { throw missing("map \(name)") }
        return unsafe map
    }

    private func missing(_ what: String) -> BPFError {
        BPFError("use", "object file \(path)", errno: ENOENT, reason: .missing(what))
    }

    // For the loaded object.

    func mapDescriptor(_ name: String) throws(BPFError) -> Int32 {
        try unsafe duplicateDescriptor(bpf_map__fd(find(name)), of: "map \(name)")
    }

    func programDescriptor(_ name: String) throws(BPFError) -> Int32 {
        guard let program = unsafe bpf_object__find_program_by_name(object, name) else {
            throw missing("program \(name)")
        }
        let raw = unsafe bpf_program__fd(program)
        guard raw >= 0 else { throw missing("loaded program \(name)") }
        return try duplicateDescriptor(raw, of: "program \(name)")
    }
}
