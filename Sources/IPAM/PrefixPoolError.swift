// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Why a pool of prefixes can't be made, or a prefix can't be claimed.
package enum PrefixPoolError: Error, Hashable, Sendable {
    case noRanges
    case mixedFamilies(Prefix, Prefix)
    case overlap(Prefix, Prefix)
    /// Slots of this length can't be cut from the range, or are too small.
    case length(Int, Prefix, longest: Int)
    /// It shares addresses with what no pod can have.
    case unusable(AddressPoolError)
    case otherFamily(Prefix)
    /// `by` has it, or a part of it, as a prefix that may be another.
    case taken(Prefix, by: String, as: Prefix)
}

extension PrefixPoolError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noRanges: "no range is given"
        case .mixedFamilies(let a, let b): "\(a) and \(b) are of different families and can't share a pool"
        case .overlap(let a, let b): "\(a) and \(b) overlap"
        case .length(let length, let range, let longest):
            "a length of \(length) does not fit \(range): it is from \(range.length) to \(longest)"
        case .unusable(let error): "\(error)"
        case .otherFamily(let prefix): "\(prefix) is of a family that the pool does not have"
        case .taken(let prefix, let owner, let held):
            prefix == held ? "\(prefix) belongs to \(owner)" : "\(prefix) overlaps \(held), which belongs to \(owner)"
        }
    }
}
