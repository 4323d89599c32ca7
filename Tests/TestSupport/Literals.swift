// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// An address written in a test: "10.0.0.1", "fd00::1". Traps if it is none.
package func address(_ text: String) -> IPAddress {
    guard let address = IPAddress(text) else { preconditionFailure("\(text) is not an address") }
    return address
}

/// A prefix written in a test: "10.0.0.0/8". Traps if it is none.
package func prefix(_ text: String) -> Prefix {
    guard let prefix = Prefix(text) else { preconditionFailure("\(text) is not a prefix") }
    return prefix
}

/// An Ethernet address written in a test: "0a:5c:00:00:00:07". Traps if it is none.
package func mac(_ text: String) -> MACAddress {
    guard let address = MACAddress(text) else { preconditionFailure("\(text) is not an Ethernet address") }
    return address
}
