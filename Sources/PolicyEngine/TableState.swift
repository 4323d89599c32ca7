// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// The kernel's tables as values: what a series of changesets makes of empty ones.
package struct TableState: Hashable, Sendable {
    package private(set) var rows: [PolicyRowKey: PolicyRow] = [:]
    /// By slot; a slot that was never written is of class 0.
    package private(set) var classes: [UInt32: UInt32] = [:]
    package private(set) var peers: [IPAddress: PeerEntry] = [:]
    package private(set) var prefixes: [Prefix: PrefixEntry] = [:]
    /// Slots by identity.
    package private(set) var identities: [UInt32: UInt32] = [:]
    package private(set) var views: [UInt16: EndpointView] = [:]
    package private(set) var worldSlot: UInt32 = 0
    package private(set) var worldSlot6: UInt32 = 1
    package private(set) var hostSlot: UInt32 = 2

    package struct PrefixEntry: Hashable, Sendable {
        package let identity: UInt32
        package let slot: UInt32
    }

    package init() {}

    package mutating func apply(_ changeset: Changeset) {
        worldSlot = changeset.worldSlot
        worldSlot6 = changeset.worldSlot6
        hostSlot = changeset.hostSlot
        for step in changeset.steps { apply(step) }
    }

    package mutating func apply(_ step: Changeset.Step) {
        switch step {
        case .addRow(let key, let row): rows[key] = row
        case .setClass(let slot, let classID): classes[slot] = classID == 0 ? nil : classID
        case .setPeer(let address, let entry): peers[address] = entry
        case .setPrefix(let prefix, let identity, let slot):
            prefixes[prefix] = PrefixEntry(identity: identity, slot: slot)
        case .setIdentity(let number, let slot): identities[number] = slot
        case .switchViews(let list): for (endpoint, view) in list { views[endpoint] = view }
        case .removePeer(let address): peers[address] = nil
        case .removePrefix(let prefix): prefixes[prefix] = nil
        case .removeIdentity(let number): identities[number] = nil
        case .removeRow(let key): rows[key] = nil
        }
    }

    /// What the datapath does when an endpoint is taken away.
    package mutating func removeEndpoint(_ number: UInt16) {
        views[number] = nil
    }
}
