// SPDX-License-Identifier: Apache-2.0

package import Model
import NetTypes

/// How much there is, for status and for tests of growth.
package struct PolicyStatistics: Hashable, Sendable {
    package let objects: Int
    /// Different sets of rules that endpoints have.
    package let policies: Int
    package let endpoints: Int
    package let addresses: Int
    package let prefixes: Int
    package let identities: Int
    /// Peer selectors of policies that are compiled.
    package let selectors: Int
    package let classes: Int
    package let slots: Int
    package let cookies: Int
    /// All slot numbers are below it, and all class numbers below the next: what the kernel's arrays must hold.
    package let slotBound: Int
    package let classBound: Int
    /// Places for selectors, in use or not.
    package let selectorBound: Int
}

extension PolicyCompiler {
    package var statistics: PolicyStatistics {
        PolicyStatistics(
            objects: objects.revisions.count, policies: policies.count, endpoints: endpoints.count,
            addresses: addresses.records.count, prefixes: addresses.writtenPrefixes.count,
            identities: identities.count, selectors: selectors.usedCount, classes: partition.classCount,
            slots: partition.slotCount, cookies: cookies.count, slotBound: partition.slots.count,
            classBound: partition.classes.count, selectorBound: selectors.records.count)
    }

    /// nil for 0, and for numbers that no live rule has.
    package func origin(of cookie: UInt32) -> RuleOrigin? { cookies.origin(of: cookie) }

    /// The labels that an identity stands for; nil for reserved and unknown ones.
    package func labels(of identity: IdentityNumber) -> SecurityLabels? {
        identities.id(of: identity).flatMap { identities[$0].labels }
    }

    /// The identities of known pods, by number, with how many addresses they have.
    package var identityList: [(number: IdentityNumber, labels: SecurityLabels, addresses: Int)] {
        identities.records.enumerated().compactMap { place, record in
            record.labels.map { labels in
                let addresses = partition.slots(of: UInt32(place)).reduce(0) {
                    $0 + partition.slots[Int($1)].references
                }
                return (record.number, labels, addresses)
            }
        }.sorted { $0.number < $1.number }
    }

    /// As of the last commit.
    package func policy(ofEndpoint number: UInt16) -> UInt32? { endpoints[number]?.view?.policy }

    /// All that the kernel's tables should hold by now, as a changeset for empty ones.
    package mutating func snapshot() -> Changeset {
        var all = Changeset()
        for place in policies.records.indices.map(UInt32.init) {
            guard let number = policies[place]?.number else { continue }
            for direction in Direction.allCases {
                guard let row = policies[place]?.generalRow(direction) else { continue }
                all.addedRows.append((PolicyRowKey(policy: number, classID: 0, direction: direction), row))
            }
            for classID in classes(of: place) {
                let signature = partition.classes[Int(classID)].signature.selectors
                for direction in Direction.allCases {
                    guard let row = policies[place]?.row(direction, signature, selectors.variants) else { continue }
                    all.addedRows.append((PolicyRowKey(policy: number, classID: classID, direction: direction), row))
                }
            }
        }
        // Slots that nobody is in keep their words: whoever comes next is only given a word that differs.
        for (index, slot) in partition.slots.enumerated() where slot.word != 0 {
            all.classWords.append((UInt32(index), slot.word))
        }
        all.peers = addresses.records.compactMap { address, record in record.entry.map { (address, $0) } }
            .sorted { $0.address < $1.address }
        all.prefixes = addresses.writtenPrefixes.map { prefix, slot in
            let world = prefix.isIPv4 ? ReservedIdentity.worldIPv4 : .worldIPv6
            return (prefix, world.rawValue, slot)
        }.sorted { $0.prefix < $1.prefix }
        all.identities = numbered.map { ($0, $1.slot) }.sorted { $0.number < $1.number }
        all.views = endpoints.compactMap { number, record in record.view.map { (number, $0) } }
            .sorted { $0.endpoint < $1.endpoint }
        return all
    }
}
