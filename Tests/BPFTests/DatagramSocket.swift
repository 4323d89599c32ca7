// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// A UDP socket on 127.0.0.1.
struct DatagramSocket: ~Copyable {
    private let fd: OwnedFD
    let port: UInt16

    init() throws(SystemError) {
        let fd = OwnedFD(
            adopting: try retrying("socket") { socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0) })
        let raw = fd.raw
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try retrying("bind") {
            unsafe withUnsafePointer(to: address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, length) }
            }
        }
        try retrying("getsockname") {
            unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe getsockname(raw, $0, &length)
                }
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        self.fd = fd
    }

    func send(_ bytes: [UInt8], to port: UInt16) {
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafePointer(to: Self.address(port)) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = unsafe sendto(fd.raw, bytes, bytes.count, 0, $0, length)
            }
        }
    }

    /// Nil if nothing comes within `timeout` milliseconds.
    func receive(timeout: Int32) -> [UInt8]? {
        guard let ready = try? waitForInput([fd.raw], timeout: timeout), !ready.isEmpty else { return nil }
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = unsafe recv(fd.raw, &bytes, bytes.count, 0)
        return count >= 0 ? Array(bytes[..<count]) : nil
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
