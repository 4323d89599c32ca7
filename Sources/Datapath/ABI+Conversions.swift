// SPDX-License-Identifier: Apache-2.0
package import CDatapathABI
package import NetTypes

extension dp_addr {
    /// Sixteen bytes in network order, IPv4 in its mapped form.
    package init(_ address: IPAddress) {
        func word(_ value: UInt64, _ shift: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: value >> shift).bigEndian }
        self.init(
            w: (word(address.high, 32), word(address.high, 0), word(address.low, 32), word(address.low, 0)))
    }

    package var address: IPAddress {
        func pair(_ a: UInt32, _ b: UInt32) -> UInt64 {
            UInt64(UInt32(bigEndian: a)) << 32 | UInt64(UInt32(bigEndian: b))
        }
        return IPAddress(high: pair(w.0, w.1), low: pair(w.2, w.3))
    }
}

extension cidr_key {
    package init(_ prefix: Prefix) {
        self.init(prefixlen: UInt32(prefix.mappedLength), addr: dp_addr(prefix.address))
    }

    package var prefix: Prefix? {
        let address = addr.address
        return Prefix(address, length: Int(prefixlen) - (address.isIPv4 && prefixlen >= 96 ? 96 : 0))
    }
}

extension flow_key {
    package var ends: [(address: IPAddress, port: UInt16)] {
        [
            (addr.0.address, UInt16(bigEndian: port.0)),
            (addr.1.address, UInt16(bigEndian: port.1)),
        ]
    }
}

/// The six bytes of a MAC address as the C structs hold them.
typealias MACBytes = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

func macBytes(_ address: MACAddress) -> MACBytes {
    let bytes = address.bytes
    return (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5])
}

/// English for a drop reason of `bpf/abi/drop.h`.
package func dropText(_ reason: UInt8) -> String { unsafe String(cString: dp_drop_text(reason)) }

/// Every drop reason, in the order of the list.
package let dropReasons: [UInt8] = {
    var reasons: [UInt8] = []
    while case let reason = dp_drop_at(UInt32(reasons.count)), reason != 0 { reasons.append(reason) }
    return reasons
}()
