// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct IdentityAllocatorTests {
    private func labels(_ number: Int) -> SecurityLabels {
        SecurityLabels(namespace: "default", nil, podLabels: ["app": "app\(number)"])
    }

    @Test func `equal labels have one number, different ones different numbers, all in range`() {
        var allocator = IdentityAllocator()
        var numbers: Set<IdentityNumber> = []
        // Past the square root of the range, so that hashes collide.
        for number in 0..<20_000 {
            guard let identity = allocator.retain(labels(number)) else { return #expect(Bool(false), "range full") }
            numbers.insert(identity)
        }
        #expect(numbers.count == 20_000)
        #expect(numbers.allSatisfy(IdentityAllocator.range.contains))
        #expect(allocator.retain(labels(7)) == allocator.number(of: labels(7)))
        let preferred = (0..<20_000).count { allocator.number(of: labels($0)) == .some(preferredNumber($0)) }
        #expect(preferred > 19_950 && preferred < 20_000, "\(preferred): some collide, few do")
    }

    private func preferredNumber(_ number: Int) -> IdentityNumber {
        IdentityAllocator.preferredNumber(of: labels(number))
    }

    @Test func `numbers are the same in every process`() {
        // Written down: an upgrade that changed them would rename every identity.
        #expect(IdentityAllocator.preferredNumber(of: labels(1)) == 8_990_344)
        let other = SecurityLabels(namespace: "a", namespaceLabels: ["b": "c"], podLabels: [:])
        let shifted = SecurityLabels(namespace: "a", namespaceLabels: [:], podLabels: ["b": "c"])
        #expect(IdentityAllocator.preferredNumber(of: other) != IdentityAllocator.preferredNumber(of: shifted))
    }

    @Test func `a number is free after the last release and not before`() {
        var allocator = IdentityAllocator()
        let number = allocator.retain(labels(1))
        #expect(allocator.retain(labels(1)) == number)
        allocator.release(labels(1))
        #expect(allocator.number(of: labels(1)) == number)
        #expect(number.flatMap { allocator.labels(of: $0) } == labels(1))
        allocator.release(labels(1))
        #expect(allocator.number(of: labels(1)) == nil && allocator.count == 0)
        #expect(number.flatMap { allocator.labels(of: $0) } == nil)
        allocator.release(labels(1))
        #expect(allocator.retain(labels(1)) == number)
    }

    @Test func `labels that collide get the next number, and keep it when the first goes`() {
        var byNumber: [IdentityNumber: Int] = [:]
        var pair: (Int, Int)?
        for number in 0..<40_000 where pair == nil {
            let preferred = preferredNumber(number)
            if let other = byNumber[preferred] { pair = (other, number) }
            byNumber[preferred] = number
        }
        guard let pair else { return #expect(Bool(false), "no collision found") }
        var allocator = IdentityAllocator()
        let first = allocator.retain(labels(pair.0))
        let second = allocator.retain(labels(pair.1))
        #expect(second == first.map { $0 + 1 })
        allocator.release(labels(pair.0))
        #expect(allocator.retain(labels(pair.1)) == second)
    }

    @Test func `reserved identities have the numbers of the Hubble API`() {
        let numbers = ReservedIdentity.allCases.map { "\($0.rawValue) \($0.name)" }
        #expect(
            numbers == [
                "0 unknown", "1 host", "2 world", "3 unmanaged", "4 health", "5 init", "6 remote-node",
                "7 kube-apiserver", "8 ingress", "9 world-ipv4", "10 world-ipv6",
            ])
    }
}
