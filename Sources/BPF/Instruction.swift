// SPDX-License-Identifier: Apache-2.0

/// The few eBPF instructions that probes and tests are assembled from (RFC 9669). Registers are 0...10.
package enum Instruction: Sendable {
    /// Helper functions by their number in the kernel's API.
    package enum Helper: Int32, Sendable {
        case mapLookup = 1
        case jiffies = 118
        case redirectNeighbour = 152
        case ringBufferOutput = 130
        case redirectPeer = 155
    }

    /// register = constant
    case set(UInt8, Int32)
    /// register = other register
    case move(UInt8, UInt8)
    /// register >>= constant, 64 bits, unsigned
    case shiftRight(UInt8, Int32)
    /// register += constant
    case add(UInt8, Int32)
    /// register = the map behind a descriptor
    case loadMap(UInt8, descriptor: Int32)
    /// register = 32 bits at the address in the second register
    case load32(UInt8, UInt8, offset: Int16)
    /// 32 bits at the address in the first register = the second register
    case store32(UInt8, UInt8, offset: Int16)
    /// 64 bits at r10 + offset = constant, sign-extended; the offset is negative
    case storeStack(offset: Int16, Int32)
    /// Passes over the next instructions (64-bit words) if the register is 0.
    case jumpIfZero(UInt8, skip: Int16)
    case call(Helper)
    case exit

    /// The 64-bit words of the encoding: one, or two for `loadMap`.
    var words: [UInt64] {
        switch self {
        case .set(let register, let constant): [word(0xb7, register, constant: constant)]
        case .move(let register, let other): [word(0xbf, register, other)]
        case .shiftRight(let register, let constant): [word(0x77, register, constant: constant)]
        case .add(let register, let constant): [word(0x07, register, constant: constant)]
        case .loadMap(let register, let descriptor): [word(0x18, register, 1, constant: descriptor), 0]
        case .load32(let register, let other, let offset): [word(0x61, register, other, offset)]
        case .store32(let register, let other, let offset): [word(0x63, register, other, offset)]
        case .jumpIfZero(let register, let skip): [word(0x15, register, 0, skip)]
        case .storeStack(let offset, let constant): [word(0x7a, 10, 0, offset, constant: constant)]
        case .call(let helper): [word(0x85, 0, constant: helper.rawValue)]
        case .exit: [word(0x95, 0)]
        }
    }

    /// The layout of `struct bpf_insn` on a little-endian machine.
    private func word(
        _ code: UInt8, _ target: UInt8, _ source: UInt8 = 0, _ offset: Int16 = 0, constant: Int32 = 0
    ) -> UInt64 {
        UInt64(code) | UInt64(target & 15) << 8 | UInt64(source & 15) << 12
            | UInt64(UInt16(bitPattern: offset)) << 16 | UInt64(UInt32(bitPattern: constant)) << 32
    }
}
