// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import TestSupport

/// Hears what comes in on a device, as it is on the wire (packet(7)).
struct PacketCapture: ~Copyable {
    private let fd: OwnedFD

    /// Begins at once. The device is of the calling thread's namespace.
    init(device: String) throws(SystemError) {
        let everything = UInt16(0x0003).bigEndian
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let fd = OwnedFD(adopting: try retrying("socket") { socket(17 /* AF_PACKET */, type, Int32(everything)) })
        // struct sockaddr_ll: family, protocol, device, and nothing that matters for binding.
        var address = [UInt8](repeating: 0, count: 20)
        address[0] = 17
        address[3] = 3
        let ifindex = unsafe if_nametoindex(device)
        for byte in 0..<4 { address[4 + byte] = UInt8(truncatingIfNeeded: ifindex >> UInt32(8 * byte)) }
        let raw = fd.raw
        try retrying("bind", device) {
            unsafe address.withUnsafeBytes {
                unsafe bind(raw, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
            }
        }
        self.fd = fd
    }

    /// What has come since the last call.
    func frames() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 70_000)
        while true {
            let raw = fd.raw
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(raw, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { return frames }
            frames.append(Array(buffer[..<count]))
        }
    }
}

/// A frame in a VXLAN packet (RFC 7348).
struct TunnelledFrame {
    let outer: ParsedPacket.IP
    let dontFragment: Bool
    let checksum: UInt16
    let identity: UInt32
    let inner: ParsedPacket

    /// Nil: it is no such packet.
    init?(_ frame: [UInt8], port: UInt16) {
        guard let packet = ParsedPacket(frame), let ip = packet.ip, ip.protocolNumber == 17,
            packet.content.count > 30, packet.content.word(2) == port, packet.content[8] & 8 != 0,
            let inner = ParsedPacket(Array(packet.content[16...]))
        else { return nil }
        outer = ip
        dontFragment = !ip.source.isIPv4 || frame.word(20) & 0x4000 != 0
        checksum = packet.content.word(6)
        identity = UInt32(packet.content.word(12)) << 8 | UInt32(packet.content[14])
        self.inner = inner
    }
}
