// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// What the kernel decides about the first packet of a flow.
package struct Judgement: Hashable, Sendable {
    /// Of the end that refuses; else that of the last end that was asked, `defaultAllow` if none was.
    package let verdict: RowVerdict
    /// The end that said it.
    package let direction: Direction

    package var isAllowed: Bool { verdict.verdict == .allow }
}

/// Reads the tables as the kernel does: egress of a local source, then ingress of a local destination.
///
/// - Parameter port: that the packet goes to; the type for ICMP and ICMPv6.
package func interpret(
    _ state: TableState, from source: IPAddress, to destination: IPAddress, protocol number: IPProtocol, port: UInt16
) -> Judgement {
    var judgement = Judgement(verdict: .defaultAllow, direction: .ingress)
    for (direction, subject, peer) in [(Direction.egress, source, destination), (.ingress, destination, source)] {
        guard let endpoint = state.peers[subject]?.endpoint, endpoint != 0 else { continue }
        guard let view = state.views[endpoint], view.policy != 0 else {
            return Judgement(verdict: .defaultDeny, direction: direction)
        }
        guard direction == .ingress ? view.enforceIngress : view.enforceEgress else {
            judgement = Judgement(verdict: .defaultAllow, direction: direction)
            continue
        }
        let classID = state.classes[state.slot(of: peer)] ?? 0
        let row =
            state.rows[PolicyRowKey(policy: view.policy, classID: classID, direction: direction)]
            ?? state.rows[PolicyRowKey(policy: view.policy, classID: 0, direction: direction)]
            ?? .defaultDeny
        judgement = Judgement(verdict: row.verdict(protocol: number.rawValue, port: port), direction: direction)
        if !judgement.isAllowed { return judgement }
    }
    return judgement
}

extension TableState {
    /// Pods and nodes by their address, then the longest prefix over mapped addresses, then the world.
    package func slot(of address: IPAddress) -> UInt32 {
        if let entry = peers[address] {
            guard entry.endpoint != 0 else { return entry.slot }
            guard let view = views[entry.endpoint] else { return 0 }
            return address.isIPv4 ? view.slot4 : view.slot6
        }
        var best: (length: Int, slot: UInt32)?
        for (prefix, entry) in prefixes where prefix.mappedLength > best?.length ?? -1 {
            guard prefix.address <= address, address <= prefix.lastAddress else { continue }
            best = (prefix.mappedLength, entry.slot)
        }
        return best?.slot ?? (address.isIPv4 ? worldSlot : worldSlot6)
    }
}
