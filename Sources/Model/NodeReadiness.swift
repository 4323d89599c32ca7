// SPDX-License-Identifier: Apache-2.0

/// Tells the cluster that pods of this node have a network now. Each call is one try, and done again without harm.
package protocol NodeReadiness: Sendable {
    /// Sets the Node's condition NetworkUnavailable to False, which a cloud's controllers may have set to True.
    func clearNetworkUnavailable() async throws

    /// Takes away the taint with which nodes begin so that no pod is put on them before there is an agent.
    func removeStartupTaint() async throws
}
