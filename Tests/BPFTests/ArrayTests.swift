// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc
import Kernel
import TestSupport
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct MappedArrayTests {
    @Test func `two views of an array are one memory`() throws {
        let pins = try TemporaryDirectory.forPins()
        let array = try MappedArray<Triple>(creating: "words", maxEntries: 1000)
        try array.handle.pin(to: pins.file("words"))
        let other = try MappedArray<Triple>(pinned: pins.file("words"))
        array[0] = Triple(first: 1, second: 2, third: 3)
        array[999] = Triple(first: 7, second: 8, third: 9)
        #expect(other[0] == Triple(first: 1, second: 2, third: 3))
        #expect(other[999] == Triple(first: 7, second: 8, third: 9))
        #expect(other[998] == Triple())

        other.storeWord(at: 0, \.third, 33)
        other.storeWord(at: 0, offset: 4, 22)
        #expect(array[0] == Triple(first: 1, second: 22, third: 33))
        #expect(array.loadWord(at: 0, \.third) == 33)
        #expect(array.loadWord(at: 999, offset: 0) == 7)

        // The system call sees the same elements.
        let map = try BPFMap<UInt32, Triple>(array.handle.duplicate())
        #expect(try map.lookup(999) == Triple(first: 7, second: 8, third: 9))
    }

    @Test func `elements of any size are copied whole and nothing else is`() throws {
        struct Seven: Equatable {
            var bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0, 0, 0)
            static func == (left: Seven, right: Seven) -> Bool {
                left.bytes.0 == right.bytes.0 && left.bytes.3 == right.bytes.3 && left.bytes.4 == right.bytes.4
                    && left.bytes.6 == right.bytes.6
            }
        }
        let array = try MappedArray<Seven>(creating: "odd", maxEntries: 3)
        array[1] = Seven(bytes: (1, 2, 3, 4, 5, 6, 7))
        #expect(array[1] == Seven(bytes: (1, 2, 3, 4, 5, 6, 7)))
        #expect(array[0] == Seven())
        #expect(array[2] == Seven())
    }

    @Test func `a program sees a stored word at once`() throws {
        let array = try MappedArray<Triple>(creating: "seen", maxEntries: 1)
        let program = try array.withDescriptor { descriptor throws(BPFError) in
            try BPFProgram(
                assembling: "reader", type: .trafficControl,
                [
                    .storeStack(offset: -8, 0), .move(2, 10), .add(2, -8), .loadMap(1, descriptor: descriptor),
                    .call(.mapLookup), .jumpIfZero(0, skip: 1), .load32(0, 0, offset: 8), .exit,
                ])
        }
        for word in [0, 1, 41, 0x7fff_ffff] as [UInt32] {
            array.storeWord(at: 0, \.third, word)
            #expect(try program.testRun(frame).verdict == Int32(word))
        }
    }

    @Test func `an array that cannot be mapped is an error`() throws {
        #expect(
            errno { () throws(BPFError) in
                _ = try MappedArray<UInt32>(
                    MapHandle(creating: .array, name: "plain", keySize: 4, valueSize: 4, maxEntries: 1))
            } != nil)
    }
}

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct PerCPUArrayTests {
    @Test func `each possible CPU has a value, and they are summed and reset`() throws {
        let array = try PerCPUArray<Counter>(creating: "counters", maxEntries: 4)
        #expect(try array.lookup(3) == [Counter](repeating: Counter(), count: Processors.possible))

        // A program adds one to the packets of the CPU that it runs on.
        let program = try array.withDescriptor { descriptor throws(BPFError) in
            try BPFProgram(
                assembling: "counter", type: .trafficControl,
                [
                    .storeStack(offset: -8, 3), .move(2, 10), .add(2, -8), .loadMap(1, descriptor: descriptor),
                    .call(.mapLookup), .jumpIfZero(0, skip: 3), .load32(1, 0, offset: 0), .add(1, 1),
                    .store32(0, 1, offset: 0), .set(0, 0), .exit,
                ])
        }
        for _ in 0..<5 { _ = try program.testRun(frame) }
        let sum = try array.reduce(3, into: Counter()) { sum, value in
            sum.packets += value.packets
            sum.bytes += value.bytes
        }
        #expect(sum == Counter(packets: 5, bytes: 0))
        #expect(try array.lookup(2).allSatisfy { $0 == Counter() })
        try array.reset(3)
        #expect(try array.lookup(3).allSatisfy { $0 == Counter() })
    }

    @Test func `an index past the end is an error that says so`() throws {
        let array = try PerCPUArray<Counter>(creating: "short", maxEntries: 2)
        #expect { _ = try array.lookup(2) } throws: {
            "\($0)".hasSuffix("index is past the end of map short (2 entries)")
        }
        #expect { try array.reset(2) } throws: { "\($0)".hasSuffix("index is past the end of map short (2 entries)") }
    }
}

/// The smallest frame that a test run takes, of no known protocol.
let frame = Packet.ethernet(type: EtherType.local, payload: [UInt8](repeating: 0, count: 46)).bytes
