// SPDX-License-Identifier: Apache-2.0
@testable import Datapath
import Glibc
import Synchronization

/// A lab takes some tenths of a second to make, so those of the usual configuration go from test to test.
private final class LabPool: @unchecked Sendable {
    static let shared = LabPool()
    // Each lab is with one test at a time.
    private let idle = Mutex<[Entry]>([])

    private struct Entry: @unchecked Sendable { let lab: Lab }

    private init() {
        // Mounts outlive the process.
        atexit { LabPool.shared.idle.withLock { $0 = [] } }
    }

    func take() -> Lab? { idle.withLock { $0.popLast()?.lab } }

    func give(_ lab: Lab) {
        let entry = Entry(lab: lab)
        idle.withLock { $0.append(entry) }
    }
}

extension Lab {
    /// Lends a lab of the usual configuration, as new, to a body that runs in its namespace. One that a test failed in,
    /// or that the body says it has spoilt, is not used again.
    static func run(_ body: (Lab) throws -> Void) throws {
        let lab = try LabPool.shared.take() ?? Lab()
        try lab.inside {
            try lab.reset()
            try body(lab)
        }
        if !lab.isSpoilt { LabPool.shared.give(lab) }
    }

    /// Makes a lab of another configuration for one body.
    static func run(
        _ change: (inout DatapathConfiguration) -> Void, _ body: (Lab) throws -> Void
    ) throws {
        let lab = try Lab(change)
        try lab.inside { try body(lab) }
    }
}
