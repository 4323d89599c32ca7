// SPDX-License-Identifier: Apache-2.0
import NetTypes

/// Reproducible random numbers, so that a failure can be run again.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// Either family, zero bits and groups being common.
    mutating func address() -> IPAddress {
        if next() % 3 == 0 { return IPAddress(v4: UInt32(truncatingIfNeeded: next() & next())) }
        var words: [UInt64] = []
        for _ in 0..<2 {
            var word = next()
            for shift in stride(from: UInt64(0), to: 64, by: 16) where next() % 2 == 0 { word &= ~(0xffff << shift) }
            words.append(word)
        }
        return IPAddress(high: words[0], low: words[1])
    }

    /// From a small part of both spaces, so that prefixes nest and meet often.
    mutating func crowdedPrefix() -> Prefix {
        let isIPv4 = next() % 2 == 0
        let address =
            isIPv4
            ? IPAddress(v4: 0x0a00_0000 | UInt32(truncatingIfNeeded: next() & next() & 0x3_0303))
            : IPAddress(high: 0xfd00_0000_0000_0000 | next() & next() & 3, low: next() & next() & 0xc000_0000_0000_0003)
        let length = Int(next() % (isIPv4 ? 33 : 129))
        return Prefix(address, length: length) ?? Prefix(host: address)
    }
}
