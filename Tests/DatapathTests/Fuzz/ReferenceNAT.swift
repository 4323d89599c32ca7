// SPDX-License-Identifier: Apache-2.0
import NetTypes
import TestSupport

/// Masquerading as a person would keep book of it: who has which port towards whom.
struct ReferenceNAT {
    struct Remote: Hashable {
        var address: IPAddress
        /// 0 for pings.
        var port: UInt16
        var `protocol`: UInt8
    }

    /// What a packet must look like afterwards.
    enum Expectation {
        case unchanged
        /// With this source (or destination, for what comes in).
        case end(Ending)
        /// With some port that nobody has towards this remote, of those for the moved.
        case newPort
    }

    private var ports: [Remote: [Ending: Ending]] = [:]
    private var owners: [Remote: [Ending: Ending]] = [:]

    var count: Int { owners.values.reduce(0) { $0 + $1.count } }

    /// - Parameter node: the address that packets leave with.
    func leaves(_ source: Ending, to remote: Remote, node: IPAddress) -> Expectation {
        if let port = ports[remote]?[source] { return .end(port) }
        let own = Ending(node, source.port)
        let taken = owners[remote]?[own] != nil
        if source.address == node { return taken ? .newPort : .unchanged }
        return taken ? .newPort : .end(own)
    }

    mutating func note(_ source: Ending, to remote: Remote, as end: Ending) {
        ports[remote, default: [:]][source] = end
        owners[remote, default: [:]][end] = source
    }

    func isFree(_ end: Ending, towards remote: Remote) -> Bool { owners[remote]?[end] == nil }

    func known(_ source: Ending, to remote: Remote) -> Ending? { ports[remote]?[source] }

    func arrives(at end: Ending, from remote: Remote) -> Expectation {
        owners[remote]?[end].map { .end($0) } ?? .unchanged
    }
}
