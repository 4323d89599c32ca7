// SPDX-License-Identifier: Apache-2.0

/// A loaded object file. Programs and maps taken out of it own descriptors of their own and outlive it.
package struct BPFObject: ~Copyable, Sendable {
    private let spec: BPFSpec

    init(_ spec: consuming BPFSpec) { self.spec = spec }

    /// Opens and loads a file as it is.
    package init(loading path: String) throws(BPFError) {
        self = try BPFSpec(path: path).load()
    }

    package var path: String { spec.path }
    /// Those that were left out included.
    package var programNames: [String] { spec.programNames }
    package var maps: [BPFSpec.Map] { spec.maps }

    /// A program by its function's name; `BPFError.Reason.missing` if the file has none or it was left out.
    package func program(_ name: String) throws(BPFError) -> BPFProgram {
        try BPFProgram(adopting: spec.programDescriptor(name), name: name)
    }

    /// A map by its name in the file, checked against the Swift type, as in
    /// `try object.map("flows", as: BPFMap<flow_key, flow>.self)`.
    package func map<Map: KernelMap & ~Copyable>(
        _ name: String, as type: Map.Type = Map.self
    ) throws(BPFError) -> Map {
        try Map(MapHandle(adopting: spec.mapDescriptor(name)))
    }
}
