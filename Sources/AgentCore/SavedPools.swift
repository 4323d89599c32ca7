// SPDX-License-Identifier: Apache-2.0
import IPAM
import NetTypes

/// The order of the pools as a file.
struct SavedPools: Codable {
    private struct Position: Codable {
        let range: Prefix
        let next: IPAddress?
    }

    private struct Pool: Codable {
        let positions: [Position]
        let released: [IPAddress]
    }

    private let ipv4: Pool?
    private let ipv6: Pool?

    init(_ snapshot: NodePools.Snapshot) {
        ipv4 = snapshot.ipv4.map(Self.pool)
        ipv6 = snapshot.ipv6.map(Self.pool)
    }

    var snapshot: NodePools.Snapshot {
        NodePools.Snapshot(ipv4: ipv4.map(Self.snapshot), ipv6: ipv6.map(Self.snapshot))
    }

    private static func pool(_ snapshot: AddressPool.Snapshot) -> Pool {
        Pool(
            positions: snapshot.positions.map { Position(range: $0.range, next: $0.next) }, released: snapshot.released)
    }

    private static func snapshot(_ pool: Pool) -> AddressPool.Snapshot {
        AddressPool.Snapshot(
            positions: pool.positions.map { .init(range: $0.range, next: $0.next) }, released: pool.released)
    }
}
