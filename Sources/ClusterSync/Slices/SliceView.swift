// SPDX-License-Identifier: Apache-2.0
import KubeClient

/// This node's slices as they are at the API server, as far as can be told: what the watch shows, and over it what was
/// written here and the watch has not come to yet.
struct SliceView: Sendable {
    private enum Written: Sendable {
        case object(SkeinEndpointSlice)
        case deleted
    }

    private var shown: [String: SkeinEndpointSlice] = [:]
    private var written: [String: (what: Written, until: ContinuousClock.Instant)] = [:]
    /// How long what was written here counts for more than the watch. It shows every version, but for those between two
    /// lists.
    private let patience: Duration

    init(patience: Duration = .seconds(10)) {
        self.patience = patience
    }

    var slices: [String: SkeinEndpointSlice] {
        var slices = shown
        for (name, entry) in written {
            switch entry.what {
            case .object(let slice): slices[name] = slice
            case .deleted: slices[name] = nil
            }
        }
        return slices
    }

    /// When something that was written here has to be forgotten; nil: nothing is waited for.
    var deadline: ContinuousClock.Instant? { written.values.map(\.until).min() }

    /// What the watch shows now.
    mutating func show(_ slices: [String: SkeinEndpointSlice], at now: ContinuousClock.Instant) {
        shown = slices
        written = written.filter { name, entry in
            guard now < entry.until else { return false }
            switch entry.what {
            case .object(let slice): return shown[name]?.metadata.resourceVersion != slice.metadata.resourceVersion
            case .deleted: return shown[name] != nil
            }
        }
    }

    /// The object as the API server answered.
    mutating func wrote(_ slice: SkeinEndpointSlice, at now: ContinuousClock.Instant) {
        let name = slice.metadata.name
        guard shown[name]?.metadata.resourceVersion != slice.metadata.resourceVersion else {
            return written[name] = nil
        }
        written[name] = (.object(slice), now + patience)
    }

    mutating func deleted(_ name: String, at now: ContinuousClock.Instant) {
        written[name] = shown[name] == nil ? nil : (.deleted, now + patience)
    }
}
