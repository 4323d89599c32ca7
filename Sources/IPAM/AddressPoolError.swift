// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Why a pool can't be made, or can't give an address.
package enum AddressPoolError: Error, Hashable, Sendable {
    case noRanges
    /// `text` is not `address/length`.
    case notARange(String)
    /// `text` names an address within the range instead of the range.
    case hostBits(String, range: Prefix)
    case mixedFamilies(Prefix, Prefix)
    case overlap(Prefix, Prefix)
    case tooSmall(Prefix, usable: UInt64, needed: UInt64)
    /// The range shares addresses with one that no pod can have, such as 127.0.0.0/8.
    case notForPods(Prefix, reserved: Prefix)
    case exhausted([RangeUsage])
    case taken(IPAddress, owner: String)
    case ownerHasAnother(String, has: IPAddress, wanted: IPAddress)
}

/// How full one range is.
package struct RangeUsage: Hashable, Sendable {
    package let range: Prefix
    /// Addresses that pods can have; `UInt64.max` stands for that or more.
    package let size: UInt64
    package let used: UInt64

    package init(range: Prefix, size: UInt64, used: UInt64) {
        self.range = range
        self.size = size
        self.used = used
    }
}

extension RangeUsage: CustomStringConvertible {
    package var description: String { "\(range) (\(used) of \(size) used)" }
}

extension AddressPoolError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noRanges:
            "no pod address range is given"
        case .notARange(let text):
            "pod range \"\(text)\" is not an address range such as 10.1.0.0/24 or fd00:1::/64"
        case .hostBits(let text, let range):
            "pod range \(text) has bits set after its prefix length; the range is \(range)"
        case .mixedFamilies(let a, let b):
            "pod ranges \(a) and \(b) are of different families and can't share a pool"
        case .overlap(let a, let b):
            "pod ranges \(a) and \(b) overlap"
        case .tooSmall(let range, let usable, let needed):
            "pod range \(range) is too small: \(usable) usable, at least \(needed) needed"
        case .notForPods(let range, let reserved):
            "pod range \(range) shares addresses with \(reserved), which pods can't have"
        case .exhausted(let usages):
            "no free address: " + usages.map(\.description).joined(separator: ", ")
        case .taken(let address, let owner):
            "address \(address) is in use by \(owner)"
        case .ownerHasAnother(let owner, let has, let wanted):
            "\(owner) has address \(has) and can't have \(wanted) too"
        }
    }
}
