// SPDX-License-Identifier: Apache-2.0

/// Tells the cluster that pods of this node have a network now.
package protocol NodeReadiness: Sendable {
    /// From now on pods may be scheduled here: the Node's condition NetworkUnavailable, which a cloud's controllers may have
    /// set to True, becomes False, and the taint goes with which nodes begin so that no pod is put on them before there is
    /// an agent. Returns at once; both are kept so, whoever says otherwise, also on a Node that is registered anew.
    func announceReady() async
}
