// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// Sends frames as they are on a device (packet(7)).
struct PacketSocket: ~Copyable {
    private let fd: OwnedFD
    private let ifindex: UInt32

    init(device: String) throws(SystemError) {
        let raw = try retrying("socket") { socket(17 /* AF_PACKET */, Int32(SOCK_RAW.rawValue), 0) }
        fd = OwnedFD(adopting: raw)
        ifindex = unsafe if_nametoindex(device)
    }

    func send(_ frame: [UInt8]) throws(SystemError) {
        // struct sockaddr_ll: family, protocol, device, and nothing that matters for sending.
        var address = [UInt8](repeating: 0, count: 20)
        address[0] = 17
        address[2...3] = frame.count > 13 ? frame[12...13] : [0, 0]
        for byte in 0..<4 { address[4 + byte] = UInt8(truncatingIfNeeded: ifindex >> UInt32(8 * byte)) }
        try retrying("sendto", "device \(ifindex)") {
            unsafe address.withUnsafeBytes { address in
                unsafe Int32(
                    sendto(
                        fd.raw, frame, frame.count, 0, address.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                        socklen_t(address.count)))
            }
        }
    }
}
