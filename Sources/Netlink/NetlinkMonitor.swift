// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Kernel
import Synchronization

/// A change in a network namespace, as the kernel tells it.
package enum NetlinkNotification: Sendable, Hashable {
    /// A link is new or has changed.
    case link(Link)
    case linkRemoved(Link)
    case address(LinkAddress)
    case addressRemoved(LinkAddress)
    case route(Route)
    case routeRemoved(Route)
    case neighbour(Neighbour)
    case neighbourRemoved(Neighbour)
    /// Notifications before this one were lost: what is known must be listed anew.
    case overflow
}

/// Listens to changes on a thread of its own.
///
/// The groups are joined when `init` returns, so what is listed after that together with the notifications is
/// complete. Stops when it is released.
package final class NetlinkMonitor: Sendable {
    package enum Group: UInt32, Sendable, CaseIterable {
        case links = 1  // RTNLGRP_LINK
        case neighbours = 3  // RTNLGRP_NEIGH
        case ipv4Addresses = 5  // RTNLGRP_IPV4_IFADDR
        case ipv4Routes = 7  // RTNLGRP_IPV4_ROUTE
        case ipv6Addresses = 9  // RTNLGRP_IPV6_IFADDR
        case ipv6Routes = 11  // RTNLGRP_IPV6_ROUTE
    }

    /// In order, at most `capacity` waiting; when more come the oldest are dropped and ``NetlinkNotification/overflow``
    /// follows. Ends when the monitor is stopped or released. For one consumer.
    package let notifications: AsyncStream<NetlinkNotification>

    private let control: Control

    /// In the calling thread's namespace.
    package convenience init(_ groups: [Group], capacity: Int = 1024) throws(SystemError) {
        try self.init(listeningOn: try Self.open(groups), capacity: capacity)
    }

    /// In another namespace.
    package convenience init(
        _ groups: [Group], in namespace: borrowing NetworkNamespace, capacity: Int = 1024
    ) throws(SystemError) {
        let socket = try namespace.result { () throws(SystemError) in try Self.open(groups) }.get()
        try self.init(listeningOn: socket, capacity: capacity)
    }

    private init(listeningOn socket: consuming OwnedFD, capacity: Int) throws(SystemError) {
        let control = try Control(socket)
        let (notifications, continuation) = AsyncStream.makeStream(
            of: NetlinkNotification.self, bufferingPolicy: .bufferingNewest(max(capacity, 2)))
        self.notifications = notifications
        self.control = control
        continuation.onTermination = { _ in control.stop() }
        try WorkerThread.start("netlink-monitor") {
            Self.loop(control) { notification in
                // Each loss is followed by its notice, which thus is never the one that is lost for good.
                if case .dropped = continuation.yield(notification) { continuation.yield(.overflow) }
            }
            continuation.finish()
        }
    }

    private static func open(_ groups: [Group]) throws(SystemError) -> OwnedFD {
        let socket = OwnedFD(adopting: try checking("socket", "netlink") { clinux_netlink_open(NETLINK_ROUTE) })
        let raw = socket.raw
        // The default holds a few hundred, fewer than a node's pods; a megabyte is used only when it is needed.
        try checking("setsockopt", "netlink") { clinux_netlink_receive_buffer(raw, 1 << 20) }
        for group in groups {
            try checking("setsockopt", "netlink group \(group)") { clinux_netlink_join(raw, group.rawValue) }
        }
        return socket
    }

    deinit {
        control.stop()
    }

    /// Ends ``notifications``. May be called again.
    package func stop() {
        control.stop()
    }

    /// How long changes gather after the first one: what makes or removes a pod's device is told in a dozen messages, and
    /// waking the consumer for each would cost more than all of its work.
    private static let gathering = useconds_t(2_000)

    private static func loop(_ control: borrowing Control, _ yield: (NetlinkNotification) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 32768)
        while !control.isStopped {
            do {
                _ = try waitForInput([control.socket.raw, control.wakeUp.fd])
                if control.isStopped { return }
                usleep(gathering)
                while try receive(from: control.socket.raw, into: &buffer, yield) {}
            } catch {
                // ENOBUFS, or a datagram that can't be read: either way something is missing.
                yield(.overflow)
            }
        }
    }

    /// Takes one datagram. False if there is none.
    private static func receive(
        from socket: Int32, into buffer: inout [UInt8], _ yield: (NetlinkNotification) -> Void
    ) throws(SystemError) -> Bool {
        let count: Int
        do throws(SystemError) {
            count = Int(
                try checking("receive", "netlink") {
                    unsafe buffer.withUnsafeMutableBytes {
                        unsafe clinux_netlink_receive(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
                    }
                })
        } catch {
            guard error.errno == .again else { throw error }
            return false
        }
        guard count <= buffer.count else {
            buffer = [UInt8](repeating: 0, count: count)
            yield(.overflow)
            return true
        }
        for message in try NetlinkMessage.split(Array(buffer[..<count])[...]) {
            if let notification = NetlinkNotification.reading(message) { yield(notification) }
        }
        return true
    }

    private final class Control: Sendable {
        let socket: OwnedFD
        let wakeUp: WakeUp
        private let stopped = Atomic<Bool>(false)

        init(_ socket: consuming OwnedFD) throws(SystemError) {
            wakeUp = try WakeUp()
            self.socket = socket
        }

        var isStopped: Bool { stopped.load(ordering: .acquiring) }

        func stop() {
            stopped.store(true, ordering: .releasing)
            wakeUp.signal()
        }
    }
}

extension NetlinkNotification {
    /// nil for messages that are of no interest here.
    static func reading(_ message: NetlinkMessage) -> NetlinkNotification? {
        switch message.type {
        case Int(RTM_NEWLINK): Link(message).map { .link($0) }
        case Int(RTM_DELLINK): Link(message).map { .linkRemoved($0) }
        case Int(RTM_NEWADDR): LinkAddress(message).map { .address($0) }
        case Int(RTM_DELADDR): LinkAddress(message).map { .addressRemoved($0) }
        case Int(RTM_NEWROUTE): Route(message).map { .route($0) }
        case Int(RTM_DELROUTE): Route(message).map { .routeRemoved($0) }
        case Int(RTM_NEWNEIGH): Neighbour(message).map { .neighbour($0) }
        case Int(RTM_DELNEIGH): Neighbour(message).map { .neighbourRemoved($0) }
        default: nil
        }
    }
}
