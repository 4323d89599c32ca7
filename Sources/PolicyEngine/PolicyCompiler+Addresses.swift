// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

// Who has which address.
extension PolicyCompiler {
    mutating func settleAddresses() {
        touchedAddresses.formUnion(stagedPeers.addresses)
        for address in touchedAddresses.sorted() { settle(address) }
        stagedPeers = AddressMap()
    }

    private mutating func settle(_ address: IPAddress) {
        var record = addresses.records[address] ?? AddressTable.Record()
        let before = classOf(address, record)
        let oldPeer = record.peer
        if let staged = stagedPeers[address] {
            record.peer = staged.peer.map { retain($0) }
            record.node = staged.peer == nil ? 0 : staged.node
        }
        let occupant = record.endpoint == 0 ? record.peer : endpoints[record.endpoint]?.occupant
        let oldEntry = record.entry
        let oldSlot = record.slot

        if let occupant {
            record.slot = enterSlot(
                Partition.Kind(
                    identity: occupant.identity, ports: occupant.ports,
                    blocks: addresses.blocks(
                        around: Prefix(host: address), isOutside: identities.isOutside(occupant.identity), selectors)))
            record.entry = PeerEntry(
                identity: identities[occupant.identity].number,
                slot: record.endpoint == 0 ? record.slot : 0,
                endpoint: record.endpoint,
                isHost: occupant.kind == .host,
                isRemoteNode: occupant.kind == .remoteNode,
                isService: occupant.kind == .service,
                node: record.endpoint == 0 ? record.node : 0)
            addresses.insertAddress(address, record)
        } else {
            record.slot = .max
            record.entry = nil
            addresses.removeAddress(address)
        }
        if oldSlot != .max { partition.leave(oldSlot) }
        if stagedPeers[address] != nil, let oldPeer { release(oldPeer) }
        if record.endpoint != 0 { touchedEndpoints.insert(record.endpoint) }
        write(address, record.entry, replacing: oldEntry)
        if classOf(address, record) != before { changes.judgeAgain = true }
    }

    private mutating func write(_ address: IPAddress, _ entry: PeerEntry?, replacing old: PeerEntry?) {
        guard entry != old else { return }
        if let entry {
            changes.peers.append((address, entry))
        } else {
            changes.removedPeers.append(address)
        }
        let none = PeerEntry(identity: 0, slot: 0)
        let (new, old) = (entry ?? none, old ?? none)
        // To a node that is new or gone no flow leads that could go on.
        let sameWay =
            new.endpoint == old.endpoint && new.isHost == old.isHost && new.isRemoteNode == old.isRemoteNode
            && new.isService == old.isService && (new.node == old.node || new.node == 0 || old.node == 0)
        if !sameWay { changes.judgeAgain = true }
    }

    /// As the kernel finds it, under the partition as it is now.
    private func classOf(_ address: IPAddress, _ record: AddressTable.Record) -> UInt32 {
        if record.slot != .max { return partition.slots[Int(record.slot)].classID }
        guard let slot = addresses.coveringSlot(address) else { return 0 }
        return partition.slots[Int(slot)].classID
    }
}
