// SPDX-License-Identifier: Apache-2.0
package import BPF

/// Why the datapath could not be made or changed.
package enum DatapathError: Error, CustomStringConvertible {
    /// A map has no room. `setting` is the agent's flag that sizes it, "" for a map of fixed size.
    case mapFull(map: String, size: Int, setting: String)
    /// The kernel lacks something that nothing stands in for.
    case missingFeatures([String])
    /// An endpoint number outside the map, or one that isn't set.
    case noSuchEndpoint(UInt16)
    /// Any other failed call.
    case bpf(BPFError)
    case invalid(String)

    package var isMapFull: Bool { if case .mapFull = self { true } else { false } }

    package var description: String {
        switch self {
        case .mapFull(let map, let size, let setting):
            "map \(map) is full: it was made for \(size) entries"
                + (setting.isEmpty ? "" : "; raise --\(setting)")
        case .missingFeatures(let names):
            "this kernel lacks: \(names.joined(separator: ", ")); 5.10 is the oldest that has everything"
        case .noSuchEndpoint(let number): "there is no endpoint \(number)"
        case .bpf(let error): error.description
        case .invalid(let text): text
        }
    }
}

/// Runs BPF calls and names the setting when one of them finds a map full.
func translate<Result>(_ sizes: MapSizes, _ body: () throws(BPFError) -> Result) throws -> Result {
    do {
        return try body()
    } catch {
        guard let map = error.fullMap else { throw DatapathError.bpf(error) }
        let known = sizes.setting(of: map)
        throw DatapathError.mapFull(map: map, size: known?.size ?? 0, setting: known?.setting ?? "")
    }
}
