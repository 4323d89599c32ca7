// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import Glibc
import NetTypes
import TestSupport
import Testing

/// A question and the answer that the policies in force should give.
struct Expectation {
    let probe: Probe
    let isAllowed: Bool
    /// From a pod to itself, which never gets to the datapath.
    var isLocal = false
}

func allowed(_ kind: Probe.Kind, _ source: TestPod, _ destination: TestPod) -> [Expectation] {
    both(kind, source, destination, isAllowed: true)
}

func refused(_ kind: Probe.Kind, _ source: TestPod, _ destination: TestPod) -> [Expectation] {
    both(kind, source, destination, isAllowed: false)
}

/// By IPv4 and by IPv6.
private func both(
    _ kind: Probe.Kind, _ source: TestPod, _ destination: TestPod, isAllowed: Bool
) -> [Expectation] {
    destination.addresses.map {
        Expectation(probe: Probe(kind, from: source, to: $0), isAllowed: isAllowed)
    }
}

/// Asks all questions at once. Those that should be refused must be silent, and the packets counted as dropped by policy.
/// What the agent explains about pods' calls has to be the same.
func expect(
    on node: TestNode, _ expectations: [[Expectation]], sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let all = expectations.flatMap(\.self)
    let drops = try node.drops()
    let before = [DropReason.noRuleAllows, .ruleRefuses].reduce(0) { $0 + (drops[$1.rawValue] ?? 0) }
    let outcomes = try Probe.outcomes(
        all.map(\.probe), expected: Set(all.indices.filter { all[$0].isAllowed }))
    for (expectation, outcome) in zip(all, outcomes) {
        #expect(
            outcome == (expectation.isAllowed ? .connected : .timedOut), "\(expectation.probe)",
            sourceLocation: sourceLocation)
    }
    let client = node.client
    for expectation in all where !expectation.isLocal {
        let probe = expectation.probe
        guard let pod = probe.pod else { continue }
        let explained = try client.explain(from: pod, to: "\(probe.destination)", port: probe.port)
        #expect(
            explained.allowed == expectation.isAllowed, "\(probe): \(explained.summary)",
            sourceLocation: sourceLocation)
    }
    let refused = UInt64(all.count { !$0.isAllowed })
    if refused > 0 { try node.waitForDrops(.noRuleAllows, .ruleRefuses, above: before + refused - 1) }
}

/// An allowed question between any two places.
func allowed(_ kind: Probe.Kind, from source: TestNamespace, to destinations: [IPAddress]) -> [Expectation] {
    destinations.map { Expectation(probe: Probe(kind, from: source, to: $0), isAllowed: true) }
}

func refused(_ kind: Probe.Kind, from source: TestNamespace, to destinations: [IPAddress]) -> [Expectation] {
    destinations.map { Expectation(probe: Probe(kind, from: source, to: $0), isAllowed: false) }
}

extension Test {
    /// Skips the test, naming what is missing.
    static func cancelUnlessKernelHasSCTP() throws {
        do { _ = try ProbeSocket(.sctp, isIPv6: false) } catch {
            try Test.cancel("the kernel has no SCTP: \(error)")
        }
    }
}

/// Many sockets are open at once in some tests.
func raiseDescriptorLimit() {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = min(limit.rlim_max, 65_536)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
