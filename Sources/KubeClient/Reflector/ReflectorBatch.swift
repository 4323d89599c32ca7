// SPDX-License-Identifier: Apache-2.0

/// What became of one object.
package enum ObjectChange<Object: KubeObject>: Sendable {
    /// It is new, or has changed.
    case changed(Object)
    case deleted(ObjectKey)
    /// It is there, but can't be understood: `problem` names the field. What was known of it before holds on. Ends with
    /// the next `changed` or `deleted`.
    case undecodable(ObjectKey, problem: String)
}

extension ObjectChange: Equatable where Object: Equatable {}

/// Changes that came in together.
package struct ReflectorBatch<Object: KubeObject>: Sendable {
    package enum Phase: Hashable, Sendable {
        /// A part of the first full set.
        case initial
        /// Its last part: with it, all that there is has been told. Comes once, and also if there is nothing.
        case initialEnd
        /// Afterwards.
        case live
    }

    package let changes: [ObjectChange<Object>]
    package let phase: Phase

    package init(_ changes: [ObjectChange<Object>], phase: Phase) {
        self.changes = changes
        self.phase = phase
    }

    /// Part of the first full set.
    package var isInitial: Bool { phase != .live }
}

extension ReflectorBatch: Equatable where Object: Equatable {}
