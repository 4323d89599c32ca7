// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import KubeClient

@Suite struct BackoffTests {
    @Test(arguments: [(1, 1.0), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (1_000_000, 10), (0, 1), (-5, 1)])
    func `waits grow to the limit`(attempt: Int, seconds: Double) {
        let backoff = Backoff(base: .seconds(1), factor: 2, limit: .seconds(10), jitter: 0)
        var generator = SeededGenerator(seed: 1)
        #expect(backoff.delay(attempt: attempt, using: &generator) == .seconds(seconds))
    }

    @Test func `the random part is between none and jitter, and differs`() {
        let backoff = Backoff(base: .seconds(8), factor: 2, limit: .seconds(8), jitter: 0.25)
        var generator = SeededGenerator(seed: 7)
        let delays = (0..<1_000).map { _ in backoff.delay(attempt: 1, using: &generator) }
        #expect(delays.allSatisfy { (.seconds(6) ... .seconds(8)).contains($0) })
        #expect(Set(delays).count > 900)
        #expect((delays.min() ?? .zero) < .seconds(6.1))
        #expect((delays.max() ?? .zero) > .seconds(7.9))
    }

    @Test func `a seed gives the same waits again`() {
        func delays(seed: UInt64) -> [Duration] {
            var generator = SeededGenerator(seed: seed)
            return (1...20).map { Backoff().delay(attempt: $0, using: &generator) }
        }
        #expect(delays(seed: 3) == delays(seed: 3))
        #expect(delays(seed: 3) != delays(seed: 4))
    }
}

@Suite struct ServerRingTests {
    @Test func `the one that works stays in front`() {
        var ring = ServerRing(count: 3)
        #expect(ring.order == [0, 1, 2])
        ring.failed(0)
        #expect(ring.order == [1, 2, 0])
        ring.succeeded(2)
        #expect(ring.order == [2, 0, 1])
        ring.succeeded(2)
        #expect(ring.order == [2, 0, 1])
    }

    @Test func `a failure that others met already skips nobody`() {
        var ring = ServerRing(count: 3)
        ring.failed(0)
        ring.failed(0)
        #expect(ring.current == 1)
    }

    @Test func `one server alone is asked again`() {
        var ring = ServerRing(count: 1)
        ring.failed(0)
        #expect(ring.order == [0])
    }
}
