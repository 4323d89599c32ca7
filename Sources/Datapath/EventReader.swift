// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Kernel
package import NetTypes
import Synchronization

/// What a program reported of one packet.
package struct DatapathEvent: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// `reason` is of `bpf/abi/drop.h`; `text` is its English.
        case drop(reason: UInt8, text: String)
        /// A connection was judged and let pass.
        case newFlow
    }

    /// An end as the packet has it; the sender first.
    package struct End: Hashable, Sendable {
        package var address: IPAddress
        package var port: UInt16
        package var identity: UInt32
        /// Local endpoint number, 0: none.
        package var endpoint: UInt16
    }

    package var kind: Kind
    /// CLOCK_MONOTONIC, nanoseconds.
    package var time: UInt64
    package var source: End
    package var destination: End
    package var `protocol`: IPProtocol
    /// ICMP and ICMPv6 only.
    package var icmp: (type: UInt8, code: UInt8)? {
        guard `protocol` == .icmp || `protocol` == .icmpv6 else { return nil }
        return (UInt8(destination.port >> 8), UInt8(destination.port & 0xff))
    }
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
    package var tcpFlags: UInt8
    /// Rules that decided, 0: none, for the two directions.
    package var ingressCookie: UInt32
    package var egressCookie: UInt32
    /// True: an ingress policy refused; false: egress. Of no meaning for other drops.
    package var refusedByIngress: Bool
    /// Host side of the veth it was seen on.
    package var ifindex: UInt32
    /// True: it came out of the pod; false: it was going in.
    package var fromPod: Bool
    /// Bytes, with the Ethernet header.
    package var length: UInt32

    init(_ record: dp_event) {
        kind =
            record.type == DP_EVENT_NEW.rawValue
            ? .newFlow : .drop(reason: record.reason, text: dropText(record.reason))
        time = record.time
        source = End(
            address: record.src.address, port: UInt16(bigEndian: record.src_port), identity: record.src_identity,
            endpoint: record.src_endpoint)
        destination = End(
            address: record.dst.address, port: UInt16(bigEndian: record.dst_port), identity: record.dst_identity,
            endpoint: record.dst_endpoint)
        `protocol` = IPProtocol(rawValue: record.protocol)
        tcpFlags = record.tcp_flags
        ingressCookie = record.cookie.0
        egressCookie = record.cookie.1
        refusedByIngress = record.direction == DP_INGRESS.rawValue
        ifindex = record.ifindex
        fromPod = record.from_endpoint == 1
        length = record.length
    }
}

/// Reads the ring buffer on a thread of its own. Programs wake it a few times a second at most and it looks by itself in
/// between; a reader of `events` that is too slow loses the oldest, and `dropped` counts them.
package final class EventReader: Sendable {
    /// Ends when the reader is stopped or released.
    package let events: AsyncStream<DatapathEvent>
    private let shared: Shared

    private final class Shared: Sendable {
        let dropped = Atomic<UInt64>(0)
        let stopping = Atomic<Bool>(false)
    }

    init(_ ring: consuming MapHandle, buffer: Int = 8_192) throws {
        let (stream, continuation) = AsyncStream.makeStream(
            of: DatapathEvent.self, bufferingPolicy: .bufferingNewest(buffer))
        events = stream
        let shared = Shared()
        self.shared = shared
        let reader = RingOwner(try RingBuffer(ring))
        try WorkerThread.start("skein-events") {
            reader.run(until: { shared.stopping.load(ordering: .relaxed) }) { record in
                if case .dropped = continuation.yield(DatapathEvent(record)) {
                    shared.dropped.add(1, ordering: .relaxed)
                }
            }
            continuation.finish()
        }
    }

    deinit { shared.stopping.store(true, ordering: .relaxed) }

    /// Events that nobody took out of `events` in time.
    package var dropped: UInt64 { shared.dropped.load(ordering: .relaxed) }

    /// Ends the stream and the thread, within a poll interval.
    package func stop() { shared.stopping.store(true, ordering: .relaxed) }
}

/// Carries the ring buffer to its thread.
private final class RingOwner: @unchecked Sendable {
    private var ring: RingBuffer

    init(_ ring: consuming RingBuffer) { self.ring = ring }

    func run(until stopped: () -> Bool, _ body: (dp_event) -> Void) {
        func deliver(_ bytes: RawSpan) {
            guard bytes.byteCount == MemoryLayout<dp_event>.size else { return }
            body(unsafe bytes.unsafeLoad(as: dp_event.self))
        }
        while !stopped() {
            do {
                // Most records come without a wake-up: epoll doesn't see them, so look after the wait, too.
                try ring.poll(timeout: 200) { deliver($0) }
                try ring.consume { deliver($0) }
            } catch {
                return
            }
        }
    }
}

extension Datapath {
    /// Starts reading what the programs report. One reader at a time.
    package func makeEventReader() throws -> EventReader { try EventReader(shared.events.duplicate()) }
}
