// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// What has to be written to the kernel's tables, and nothing else, so that they say what the compiler knows.
///
/// To be written in the order of ``steps``. Every row, class word, peer and prefix before the switch leaves what the
/// live policies answer as it was (but for peers whose labels or presence changed themselves), before the switch and
/// after it; so no packet is judged by half of a change.
package struct Changeset: Sendable {
    /// Rows whose key is not in the table.
    package var addedRows: [(key: PolicyRowKey, row: PolicyRow)] = []
    package var classWords: [(slot: UInt32, classID: UInt32)] = []
    /// Added or replaced.
    package var peers: [(address: IPAddress, entry: PeerEntry)] = []
    /// Added or replaced. With a prefix of IPv6 that covers ::ffff:0:0/96 there always comes 0.0.0.0/0, so that
    /// longest match over mapped addresses is right for both families.
    package var prefixes: [(prefix: Prefix, identity: UInt32, slot: UInt32)] = []
    /// Slots of pods of which nothing but the identity is known, as what comes out of a tunnel tells it. Added or
    /// replaced.
    package var identities: [(number: UInt32, slot: UInt32)] = []
    /// The switch: all at once.
    package var views: [(endpoint: UInt16, view: EndpointView)] = []
    package var removedPeers: [IPAddress] = []
    package var removedPrefixes: [Prefix] = []
    package var removedIdentities: [UInt32] = []
    package var removedRows: [PolicyRowKey] = []
    /// Flows must be judged again even if no view changed: some address stands for another class than before.
    package var judgeAgain = false
    /// Slots of IPv4 and IPv6 addresses that nothing is known of, and of this node's own processes. They never change.
    package var worldSlot: UInt32 = 0
    package var worldSlot6: UInt32 = 1
    package var hostSlot: UInt32 = 2

    package init() {}

    /// True if there is nothing to write.
    package var isEmpty: Bool { writeCount == 0 && !judgeAgain }

    /// How many map elements it writes or deletes.
    package var writeCount: Int {
        addedRows.count + classWords.count + peers.count + prefixes.count + identities.count + views.count
            + removedPeers.count + removedPrefixes.count + removedIdentities.count + removedRows.count
    }
}

extension Changeset {
    package enum Step: Sendable {
        case addRow(PolicyRowKey, PolicyRow)
        case setClass(slot: UInt32, classID: UInt32)
        case setPeer(IPAddress, PeerEntry)
        case setPrefix(Prefix, identity: UInt32, slot: UInt32)
        case setIdentity(UInt32, slot: UInt32)
        /// The one step that packets see as a whole.
        case switchViews([(endpoint: UInt16, view: EndpointView)])
        case removePeer(IPAddress)
        case removePrefix(Prefix)
        case removeIdentity(UInt32)
        case removeRow(PolicyRowKey)
    }

    /// Every write, in the order that keeps packets from seeing half of it.
    package var steps: [Step] {
        var steps: [Step] = []
        steps.reserveCapacity(writeCount)
        steps += addedRows.map { .addRow($0.key, $0.row) }
        steps += classWords.map { .setClass(slot: $0.slot, classID: $0.classID) }
        steps += prefixes.map { .setPrefix($0.prefix, identity: $0.identity, slot: $0.slot) }
        steps += identities.map { .setIdentity($0.number, slot: $0.slot) }
        steps += peers.map { .setPeer($0.address, $0.entry) }
        if !views.isEmpty { steps.append(.switchViews(views)) }
        steps += removedPeers.map { .removePeer($0) }
        steps += removedPrefixes.map { .removePrefix($0) }
        steps += removedIdentities.map { .removeIdentity($0) }
        steps += removedRows.map { .removeRow($0) }
        return steps
    }
}
