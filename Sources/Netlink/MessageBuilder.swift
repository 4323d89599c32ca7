// SPDX-License-Identifier: Apache-2.0

/// Writes the body of a netlink message: a fixed header, then attributes, each padded to four bytes.
/// Integers are written in host order, as netlink wants them unless an attribute says otherwise.
package struct MessageBuilder: Sendable {
    package private(set) var bytes: [UInt8]

    package init() {
        bytes = []
        bytes.reserveCapacity(160)
    }

    /// A fixed header (`ifinfomsg`, `rtmsg`, ...) or any other part without padding of its own.
    package mutating func append<Value: BitwiseCopyable>(_ value: Value) {
        unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
    }

    package mutating func attribute(_ type: Int, _ payload: some Collection<UInt8>) {
        let start = beginAttribute(type)
        bytes.append(contentsOf: payload)
        endAttribute(start)
    }

    /// The bytes of an integer or a struct as they lie in memory.
    package mutating func attribute<Value: BitwiseCopyable>(_ type: Int, value: Value) {
        let start = beginAttribute(type)
        append(value)
        endAttribute(start)
    }

    /// A string with the zero that ends it.
    package mutating func attribute(_ type: Int, string: String) {
        let start = beginAttribute(type)
        bytes.append(contentsOf: string.utf8)
        bytes.append(0)
        endAttribute(start)
    }

    /// An attribute that holds what `body` writes.
    package mutating func nested(_ type: Int, _ body: (inout MessageBuilder) -> Void) {
        let start = beginAttribute(type)
        body(&self)
        endAttribute(start)
    }

    private mutating func beginAttribute(_ type: Int) -> Int {
        let start = bytes.count
        append(UInt16(0))
        append(UInt16(truncatingIfNeeded: type))
        return start
    }

    /// The length counts the header but not the padding. Lengths are 16 bits; nothing that is built here comes near.
    private mutating func endAttribute(_ start: Int) {
        let length = UInt16(clamping: bytes.count - start)
        unsafe withUnsafeBytes(of: length) { raw in
            unsafe bytes.replaceSubrange(start..<start + 2, with: raw)
        }
        pad()
    }

    private mutating func pad() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }
}
