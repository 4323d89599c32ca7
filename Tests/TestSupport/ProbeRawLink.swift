// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel
package import NetTypes
import Netlink

/// Sends frames as they are from a pod's device, whatever they say (packet(7)).
package final class RawLink: Sendable {
    private let socket: OwnedFD
    /// Of the device.
    package let mac: MACAddress
    /// Who the pod takes for its gateway.
    package let gatewayMAC: MACAddress

    package init(_ pod: TestPod, device: String = "eth0") throws {
        let (link, neighbours) = try pod.namespace.netlink { socket in
            guard let link = try socket.link(.name(device)) else { throw SystemError("find link", .noDevice, device) }
            return (link, try socket.neighbours(of: link.index))
        }
        guard let mac = link.mac, let gatewayMAC = neighbours.first(where: \.isPermanent)?.mac else {
            throw SystemError("find gateway", .noEntry, device)
        }
        (self.mac, self.gatewayMAC) = (mac, gatewayMAC)
        // No protocol: nothing is received.
        socket = try pod.run {
            let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
            return OwnedFD(adopting: try retrying("socket", "packet") { Glibc.socket(AF_PACKET, type, 0) })
        }
        let raw = socket.raw
        try unsafe ProbeSocket.withPointer(Self.address(link.index)) { (address, length) throws(SystemError) in
            try retrying("bind", device) { unsafe bind(raw, address, length) }
        }
    }

    /// `struct sockaddr_ll` of a device, for no protocol.
    private static func address(_ index: Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 20)
        bytes[0] = UInt8(AF_PACKET)
        for (position, shift) in [0, 8, 16, 24].enumerated() {
            bytes[4 + position] = UInt8(truncatingIfNeeded: index.littleEndian >> shift)
        }
        return bytes
    }

    package func send(_ frame: [UInt8]) throws(SystemError) {
        let raw = socket.raw
        try retrying("send", "frame") {
            unsafe frame.withUnsafeBytes { unsafe Glibc.send(raw, $0.baseAddress, $0.count, 0) }
        }
    }

    /// Sends a packet from the device to the gateway, unless it names others.
    package func send(_ packet: Packet) throws(SystemError) { try send(packet.bytes) }

    /// The packet with the Ethernet addresses that the pod's own stack would write.
    package func addressed(_ packet: Packet) -> Packet { packet.macs(from: mac, to: gatewayMAC) }
}
