// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Datapath
import NetTypes
import Synchronization

/// Looks for rows of the agent's pinned `pods` map, by their keys alone: some microseconds for each look.
final class MapWatch: Sendable {
    /// What rows are to be: an identity, or nil for none.
    struct Expectation: Sendable {
        let addresses: [IPAddress]
        let identity: UInt32?
        let sent: ContinuousClock.Instant
    }

    private struct State {
        var open: [Int: Expectation] = [:]
        var latencies: [Double] = []
        var lost: [Expectation] = []
        var next = 0
    }

    /// Longer than this is never.
    static let patience = Duration.seconds(10)
    private let map: BPFMap<dp_addr, pod_entry>
    private let state = Mutex(State())

    init(pins: String) throws {
        map = try BPFMap(pinned: pins + "/set/pods")
    }

    func expect(_ expectation: Expectation) {
        state.withLock { state in
            state.open[state.next] = expectation
            state.next += 1
        }
    }

    var openCount: Int { state.withLock { $0.open.count } }
    /// Milliseconds from the request to the rows.
    var latencies: [Double] { state.withLock { $0.latencies } }
    /// Rows that did not come.
    var lost: [Expectation] { state.withLock { $0.lost } }

    /// Looks every millisecond until cancelled.
    func run() async throws {
        while !Task.isCancelled {
            for (number, expectation) in state.withLock({ $0.open }) {
                let isThere = try shows(expectation)
                let age = expectation.sent.duration(to: .now)
                guard isThere || age > Self.patience else { continue }
                state.withLock { state in
                    state.open[number] = nil
                    if isThere {
                        state.latencies.append(Seconds(age).milliseconds)
                    } else {
                        state.lost.append(expectation)
                    }
                }
            }
            try? await Task.sleep(for: .milliseconds(1), tolerance: .zero)
        }
    }

    func shows(_ expectation: Expectation) throws -> Bool {
        for address in expectation.addresses
        where try map.lookup(dp_addr(address))?.identity != expectation.identity { return false }
        return true
    }

    /// The identity of every address.
    func rows() throws -> [IPAddress: UInt32] {
        Dictionary(try map.entries().map { ($0.key.address, $0.value.identity) }) { first, _ in first }
    }
}
