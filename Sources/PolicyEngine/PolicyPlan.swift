// SPDX-License-Identifier: Apache-2.0

import NetTypes

/// What one policy says in one direction, ready to be asked for the row of any class.
///
/// The row depends only on which of the policy's own selectors are in the class's signature; rows are made once for
/// each such combination and remembered, within limits.
struct PolicyPlan: Sendable {
    /// A rule and a selector of its peers.
    struct Link: Hashable, Comparable, Sendable {
        /// Place of the selector, or of the named port.
        let selector: UInt32
        let rule: UInt32

        static func < (a: Link, b: Link) -> Bool { (a.selector, a.rule) < (b.selector, b.rule) }
    }

    /// In order of precedence.
    let rules: [RowBuilder.Rule]
    /// Those that hold for every peer.
    let general: Set<UInt32>
    private let links: [Link]
    /// Rules that take ports by name from the peer.
    private let namedLinks: [Link]
    private let isolated: Bool

    private(set) var rows: [PolicyRow] = []
    private var rowIDs: [PolicyRow: Int] = [:]
    private var remembered: [[UInt64]: Int] = [:]

    init(rules: [RowBuilder.Rule], general: Set<UInt32>, links: [Link], namedLinks: [Link], isolated: Bool) {
        self.rules = rules
        self.general = general
        self.links = links.sorted()
        self.namedLinks = namedLinks.sorted()
        self.isolated = isolated
        _ = remember([])
    }

    /// False: there is nothing to look up, everything may pass.
    var isEnforced: Bool { isolated || !rules.isEmpty }

    /// Row 0 is that of class 0: what rules for everybody say.
    mutating func row(of signature: [UInt32], _ variants: [SelectorTable.Variant]) -> Int {
        var key: [UInt64] = []
        for selector in signature {
            let variant = variants[Int(selector)]
            if variant.named == .max {
                Self.visit(links, selector) { key.append(UInt64($0) << 32) }
            } else {
                let port = Self.portFlag | UInt64(variant.protocol) << 16 | UInt64(variant.number)
                Self.visit(namedLinks, variant.named) { key.append(UInt64($0) << 32 | port) }
            }
        }
        if key.isEmpty { return 0 }
        key.sortUnique()
        return remembered[key] ?? remember(key)
    }

    private static let portFlag: UInt64 = 1 << 24
    private static let memoryLimit = 1024

    private static func visit(_ links: [Link], _ selector: UInt32, _ body: (UInt32) -> Void) {
        var index = links.lowerBound(of: Link(selector: selector, rule: 0))
        while index < links.count, links[index].selector == selector {
            body(links[index].rule)
            index += 1
        }
    }

    /// `key`: sorted, the rules that the class's selectors bring in and the numbers for their named ports.
    private mutating func remember(_ key: [UInt64]) -> Int {
        var active: [RowBuilder.Rule] = []
        var at = 0
        for (index, rule) in rules.enumerated() {
            var rule = rule
            var applies = general.contains(UInt32(index))
            while at < key.count, key[at] >> 32 == UInt64(index) {
                let port = key[at] & 0xffff_ffff
                if port == 0 {
                    applies = true
                } else {
                    rule.ports?.append(
                        RowBuilder.PortSet(
                            protocol: UInt8(truncatingIfNeeded: port >> 16),
                            ports: PortRange(UInt16(truncatingIfNeeded: port))))
                }
                at += 1
            }
            if applies { active.append(rule) }
        }
        if remembered.count == Self.memoryLimit {
            // Ports by name can make any number of combinations over time. Row 0 keeps its place.
            rows.removeSubrange(1...)
            rowIDs = [rows[0]: 0]
            remembered = [[]: 0]
        }
        let row = RowBuilder(rules: active, isolated: isolated).row()
        let id = rowIDs[row] ?? rows.count
        if id == rows.count {
            rows.append(row)
            rowIDs[row] = id
        }
        remembered[key] = id
        return id
    }
}
