// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// What the operator is told to do.
package struct OperatorSettings: Sendable {
    /// Who may lead: where the lease is, and how it is held.
    package var lease: ObjectKey
    package var election: LeaderElectionSettings
    /// Installed before anything else; empty: somebody else does it.
    package var definitions: [Definition] = []
    /// nil: nodes get their pod ranges from elsewhere.
    package var podRanges: PodRangeSettings?
    /// How long an identity may be unused.
    package var identityGrace: Duration = .seconds(15 * 60)
    /// How long after its Node a SkeinNode goes.
    package var nodeGrace: Duration = .seconds(60)

    package init(lease: ObjectKey, election: LeaderElectionSettings) {
        self.lease = lease
        self.election = election
    }
}
