// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What the operator says of itself.
package final class Health: Sendable {
    package enum Role: String, Hashable, Sendable {
        /// Another one leads, or nobody yet.
        case standby
        /// It leads, and the cluster's CRDs are not all there yet.
        case preparing
        case leading
    }

    private let state = Mutex((role: Role.standby, problems: [String]()))

    package init() {}

    package var role: Role { state.withLock { $0.role } }

    package func set(_ role: Role, problems: [String] = []) {
        state.withLock { $0 = (role, problems) }
    }

    /// Whether it does what it is to do: a leader works, or another one does.
    package var isReady: Bool { state.withLock { $0.problems.isEmpty && $0.role != .preparing } }

    /// One line for the role, and one for each problem.
    package var text: String {
        let (role, problems) = state.withLock { $0 }
        return ([role.rawValue] + problems).map { $0 + "\n" }.joined()
    }
}
