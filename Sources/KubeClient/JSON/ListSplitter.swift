// SPDX-License-Identifier: Apache-2.0

/// Takes a Kubernetes list apart while it comes in: each element of the root's `items` as bytes, and what is left (the
/// list without its items) at the end. What is kept is at most one element and the rest.
///
/// Finds where elements begin and end; whether they are JSON is for their decoder to say.
struct ListSplitter: Sendable {
    enum Failure: Error, Equatable {
        /// Not an object with an array of items, at this offset from the start.
        case syntax(offset: Int)
        case tooLarge(limit: Int)
        /// The bytes ended before the object did.
        case truncated
    }

    private enum Place: Equatable {
        case start
        /// Within the root object, outside of `items`.
        case root
        /// Within a member's name at the root.
        case name
        /// Behind "items".
        case itemsName
        /// Behind `"items":`
        case itemsValue
        /// An element or the end of the array may come.
        case firstElement
        /// Only an element may come.
        case nextElement
        case element
        /// A comma or the end of the array may come.
        case afterElement
        case end
    }

    /// For one element, and for all that is around them.
    let limit: Int
    private var place = Place.start
    /// Of open braces and brackets, the root's is 1; within an element counted from it.
    private var depth = 0
    private var inString = false
    private var isEscaped = false
    /// A name may come here: at the root, after its brace or a comma.
    private var expectsName = false
    private var name: [UInt8] = []
    private var element: [UInt8] = []
    private var envelope: [UInt8] = []
    private var offset = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// Bytes that are kept now.
    var buffered: Int { element.count + envelope.count }

    /// The elements that end within `bytes`.
    mutating func feed(_ bytes: [UInt8]) throws(Failure) -> [[UInt8]] {
        var elements: [[UInt8]] = []
        var index = 0
        while index < bytes.count {
            if place == .element {
                index = try feedElement(bytes, from: index, into: &elements)
            } else {
                try step(bytes[index])
                index += 1
                offset += 1
            }
        }
        return elements
    }

    /// The list without its items. Nothing can be fed afterwards.
    mutating func finish() throws(Failure) -> [UInt8] {
        guard place == .end else { throw .truncated }
        return envelope
    }

    // MARK: Around the elements

    private mutating func step(_ byte: UInt8) throws(Failure) {
        switch place {
        case .start:
            if byte.isSpace { return }
            guard byte == .braceOpen else { throw .syntax(offset: offset) }
            depth = 1
            expectsName = true
            place = .root
            try keep(byte)
        case .root: try stepRoot(byte)
        case .name:
            try keep(byte)
            if isEscaped {
                isEscaped = false
            } else if byte == .backslash {
                isEscaped = true
            } else if byte == .quote {
                place = name == Self.items ? .itemsName : .root
                return
            }
            name.append(byte)
        case .itemsName:
            try keep(byte)
            if byte == .colon { place = .itemsValue } else if !byte.isSpace { throw .syntax(offset: offset) }
        case .itemsValue:
            if byte == .bracketOpen {
                place = .firstElement
                try keep(byte)
            } else if byte.isSpace {
                try keep(byte)
            } else {
                // null, or what no list has: for the rest's decoder.
                place = .root
                try stepRoot(byte)
            }
        case .firstElement, .nextElement:
            if byte.isSpace { return }
            if byte == .bracketClose, place == .firstElement { return try endItems(byte) }
            guard byte != .bracketClose, byte != .comma, byte != .braceClose, byte != .colon else {
                throw .syntax(offset: offset)
            }
            begin(byte)
        case .afterElement:
            if byte.isSpace { return }
            if byte == .comma { place = .nextElement } else { try endItems(byte) }
        case .element: break
        case .end:
            guard byte.isSpace else { throw .syntax(offset: offset) }
        }
    }

    private mutating func stepRoot(_ byte: UInt8) throws(Failure) {
        try keep(byte)
        if inString {
            if isEscaped {
                isEscaped = false
            } else if byte == .backslash {
                isEscaped = true
            } else if byte == .quote {
                inString = false
            }
            return
        }
        switch byte {
        case .quote:
            if depth == 1, expectsName {
                expectsName = false
                name.removeAll(keepingCapacity: true)
                place = .name
            } else {
                inString = true
            }
        case .braceOpen, .bracketOpen: depth += 1
        case .braceClose, .bracketClose:
            depth -= 1
            if depth == 0 { place = .end }
        case .comma: if depth == 1 { expectsName = true }
        default: break
        }
    }

    private mutating func endItems(_ byte: UInt8) throws(Failure) {
        guard byte == .bracketClose else { throw .syntax(offset: offset) }
        place = .root
        try keep(byte)
    }

    private mutating func keep(_ byte: UInt8) throws(Failure) {
        guard envelope.count < limit else { throw .tooLarge(limit: limit) }
        envelope.append(byte)
    }

    // MARK: Within an element

    private mutating func begin(_ byte: UInt8) {
        place = .element
        element = [byte]
        depth = byte == .braceOpen || byte == .bracketOpen ? 1 : 0
        inString = byte == .quote
        isEscaped = false
    }

    /// Where it stopped: behind `bytes`, or at the byte behind the element.
    private mutating func feedElement(
        _ bytes: [UInt8], from start: Int, into elements: inout [[UInt8]]
    ) throws(Failure) -> Int {
        var index = start
        var hasEnded = false
        while index < bytes.count, !hasEnded {
            let byte = bytes[index]
            if inString {
                if isEscaped {
                    isEscaped = false
                } else if byte == .backslash {
                    isEscaped = true
                } else if byte == .quote {
                    inString = false
                    hasEnded = depth == 0
                }
            } else {
                switch byte {
                case .quote: inString = true
                case .braceOpen, .bracketOpen: depth += 1
                case .braceClose, .bracketClose:
                    // Behind a number or a word: it belongs to the array.
                    if depth == 0 {
                        try end(bytes[start..<index], into: &elements)
                        return index
                    }
                    depth -= 1
                    hasEnded = depth == 0
                case .comma where depth == 0:
                    try end(bytes[start..<index], into: &elements)
                    return index
                default:
                    if depth == 0, byte.isSpace {
                        try end(bytes[start..<index], into: &elements)
                        return index
                    }
                }
            }
            index += 1
        }
        if hasEnded {
            try end(bytes[start..<index], into: &elements)
        } else {
            try grow(by: bytes[start..<index])
        }
        return index
    }

    private mutating func grow(by bytes: ArraySlice<UInt8>) throws(Failure) {
        guard element.count + bytes.count <= limit else { throw .tooLarge(limit: limit) }
        element.append(contentsOf: bytes)
        offset += bytes.count
    }

    private mutating func end(_ bytes: ArraySlice<UInt8>, into elements: inout [[UInt8]]) throws(Failure) {
        try grow(by: bytes)
        elements.append(element)
        element = []
        place = .afterElement
        depth = 1
        inString = false
    }

    private static let items = Array("items".utf8)
}
