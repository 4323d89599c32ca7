// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// A prefix, and which of its addresses pods can have, numbered from 0.
///
/// Left out are the network and broadcast address of IPv4 prefixes shorter than /31 (RFC 3021 has none)
/// and the subnet-router anycast address of IPv6 prefixes shorter than /127 (RFC 4291, section 2.6.1, RFC 6164).
package struct AddressRange: Hashable, Sendable {
    package let prefix: Prefix
    /// How many addresses pods can have. A range with more than 2^64 - 1 is used up to that many.
    package let size: UInt64
    private let first: IPAddress

    /// Fails for a prefix that shares addresses with one that can't be routed to a pod.
    package init(_ prefix: Prefix) throws(AddressPoolError) {
        for reserved in Self.reserved where reserved.overlaps(prefix) {
            throw .notForPods(prefix, reserved: reserved)
        }
        self.prefix = prefix
        let hostBits = (prefix.isIPv4 ? 32 : 128) - prefix.length
        if hostBits <= 1 {
            first = prefix.address
            size = prefix.addressCount
        } else {
            first = prefix.address.advanced(by: 1) ?? prefix.address
            // addressCount is saturated from 2^64 on, where less one is what fits in 64 bits.
            size = hostBits >= 64 ? .max : prefix.addressCount - (prefix.isIPv4 ? 2 : 1)
        }
    }

    /// Parses `address/length`; bits after the length are refused, as they are a typing error more often than not.
    package init(_ text: some StringProtocol) throws(AddressPoolError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let prefix = Prefix(text), let written = parts.first.flatMap({ IPAddress($0) }) else {
            throw .notARange(String(text))
        }
        guard written == prefix.address else { throw .hostBits(String(text), range: prefix) }
        try self.init(prefix)
    }

    /// `number` is below ``size``.
    func address(at number: UInt64) -> IPAddress {
        guard let address = first.advanced(by: number) else {
            preconditionFailure("number \(number) is past the end of \(prefix)")
        }
        return address
    }

    /// nil for what ``address(at:)`` doesn't give.
    func number(of address: IPAddress) -> UInt64? {
        guard prefix.contains(address), address >= first else { return nil }
        let (low, borrow) = address.low.subtractingReportingOverflow(first.low)
        guard address.high - first.high == (borrow ? 1 : 0), low < size else { return nil }
        return low
    }

    /// ::/8 holds the unspecified, loopback and IPv4-mapped addresses.
    private static let reserved = [
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
        "::/8", "fe80::/10", "ff00::/8",
    ].compactMap { Prefix($0) }
}
