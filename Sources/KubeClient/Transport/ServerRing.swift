// SPDX-License-Identifier: Apache-2.0

/// Which of several API servers to ask: the one that worked, until it fails.
struct ServerRing: Equatable, Sendable {
    let count: Int
    private(set) var current = 0

    /// At least one.
    init(count: Int) {
        self.count = max(count, 1)
    }

    /// All servers once, the one to ask first in front.
    var order: [Int] { (0..<count).map { (current + $0) % count } }

    mutating func succeeded(_ server: Int) {
        current = server
    }

    /// Failures of a server that others have left already change nothing, so two requests that fail together do not skip
    /// a server.
    mutating func failed(_ server: Int) {
        if server == current { current = (current + 1) % count }
    }
}
