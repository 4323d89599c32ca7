// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

// SPDX-License-Identifier: Apache-2.0
@testable import Datapath

/// A lab takes some tenths of a second to make, most of them the verifier's, so labs go from test to test.
private final class LabPool: Sendable {
    static let shared = LabPool()

    struct Key: Hashable {
        let configuration: DatapathConfiguration
        let variant: String
    }

    private struct Entry: @unchecked Sendable {
        let key: Key
        // With one test at a time.
        let lab: Lab
    }

    private let idle = Mutex<[Entry]>([])

    private init() {
        // Mounts outlive the process.
        atexit { LabPool.shared.idle.withLock { $0 = [] } }
    }

    func take(_ key: Key) -> Lab? {
        idle.withLock { idle in
            idle.lastIndex { $0.key == key }.map { idle.remove(at: $0).lab }
        }
    }

    func give(_ lab: Lab) {
        let entry = Entry(key: Key(lab), lab: lab)
        idle.withLock { $0.append(entry) }
    }
}

extension LabPool.Key {
    init(_ lab: Lab) { self.init(lab.datapath.configuration, lab.variant) }

    /// Where the pins are is no difference.
    init(_ configuration: DatapathConfiguration, _ variant: String) {
        var configuration = configuration
        configuration.pinDirectory = ""
        self.init(configuration: configuration, variant: variant)
    }
}

extension Lab {
    /// Lends a lab, as new, to a body that runs in its namespace. One that a test failed in, or that it says it has
    /// spoilt, is not used again.
    ///
    /// - Parameters:
    ///   - change: what is unusual about the datapath.
    ///   - variant: a name for what `prepare` does to the namespace, once.
    static func run(
        _ change: (inout DatapathConfiguration) -> Void = { _ in }, variant: String = "",
        prepare: (Lab) throws -> Void = { _ in }, _ body: (Lab) throws -> Void
    ) throws {
        let lab = try borrow(change, variant: variant, prepare: prepare)
        try lab.inside { try body(lab) }
        lab.giveBack()
    }

    /// A lab for a test that can't be a closure; to be given back when it is done.
    static func borrow(
        _ change: (inout DatapathConfiguration) -> Void = { _ in }, variant: String = "",
        prepare: (Lab) throws -> Void = { _ in }
    ) throws -> Lab {
        let key = LabPool.Key(configuration("", change), variant)
        if let lab = LabPool.shared.take(key) {
            try lab.inside { try lab.reset() }
            return lab
        }
        let lab = try Lab(variant: variant, change)
        try lab.inside { try prepare(lab) }
        return lab
    }

    func giveBack() { if !isSpoilt { LabPool.shared.give(self) } }
}
