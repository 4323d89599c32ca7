// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import PolicyEngine

struct AddressMapTests {
    @Test(arguments: 1...10) func `it holds what a dictionary would`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var map = AddressMap<Int>()
        var expected: [IPAddress: Int] = [:]
        for step in 0..<2_000 {
            let address = IPAddress(v4: UInt32(random.next() % 97))
            if random.next() % 3 == 0 {
                #expect(map.update(address, nil) == (expected.removeValue(forKey: address) != nil))
            } else if random.next() % 2 == 0 {
                #expect(map.update(address, step) == (expected.updateValue(step, forKey: address) != nil))
            } else {
                map[address] = step
                expected[address] = step
            }
            #expect(map[address] == expected[address])
            #expect(map.count == expected.count)
        }
        #expect(Dictionary(uniqueKeysWithValues: map.map { ($0.address, $0.value) }) == expected)
        #expect(Set(map.addresses) == Set(expected.keys))
    }
}
