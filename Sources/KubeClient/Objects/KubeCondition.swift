// SPDX-License-Identifier: Apache-2.0

/// One of `status.conditions`.
package struct KubeCondition: Hashable, Codable, Sendable {
    package var type: String
    /// True, False or Unknown.
    package var status: String
    /// One word.
    package var reason: String?
    package var message: String?
    /// The spec that it speaks of.
    package var observedGeneration: Int64?
    /// RFC 3339.
    package var lastTransitionTime: String?
    /// RFC 3339; only nodes have it.
    package var lastHeartbeatTime: String?

    package init(
        type: String, status: String, reason: String? = nil, message: String? = nil, observedGeneration: Int64? = nil,
        lastTransitionTime: String? = nil, lastHeartbeatTime: String? = nil
    ) {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = message
        self.observedGeneration = observedGeneration
        self.lastTransitionTime = lastTransitionTime
        self.lastHeartbeatTime = lastHeartbeatTime
    }

    package var isTrue: Bool { status == "True" }
}

extension [KubeCondition] {
    package subscript(type: String) -> KubeCondition? { first { $0.type == type } }
}
