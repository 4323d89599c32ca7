// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import KubeClient

@Suite struct LineSplitterTests {
    @Test(arguments: 1...9)
    func `lines come whole however they are cut`(size: Int) throws {
        let bytes = Array("one\ntwo\r\n\nthrée\nrest".utf8)
        var splitter = LineSplitter(limit: 100)
        var lines: [String] = []
        for chunk in bytes.chunked(size) {
            lines += try splitter.feed(chunk).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(lines == ["one", "two", "thrée"])
        #expect(splitter.buffered == 4)
    }

    @Test func `a line without end is refused`() throws {
        var splitter = LineSplitter(limit: 10)
        _ = try splitter.feed(Array("0123456789".utf8))
        #expect(throws: LineSplitter.TooLong(limit: 10)) { try splitter.feed([0x30]) }
    }
}

@Suite struct MemberRangeTests {
    @Test(arguments: [
        (#"{"type":"A","object":{"a":[1,{"object":2}]}}"#, #"{"a":[1,{"object":2}]}"#),
        (#"{ "object" : {"x":"}\"{"} , "type":"A"}"#, #"{"x":"}\"{"}"#),
        (#"{"x":"object","object":3}"#, "3"),
        (#"{"a":{"object":1},"object":"s,}"}"#, #""s,}""#),
        (#"{"a":["object","b"],"object":null}"#, "null"),
    ])
    func `the member of the root is found`(json: String, value: String) {
        let bytes = Array(json.utf8)
        #expect(memberRange("object", in: bytes).map { String(decoding: bytes[$0], as: UTF8.self) } == value)
    }

    @Test(arguments: [
        "", "{}", "[]", "1", #"{"objects":1}"#, #"{"a":{"object":1}}"#, #"{"object":}"#, #"{"object":1"#,
        #"["object",1]"#, #"{"obj"#,
    ])
    func `what is not there is not found`(json: String) {
        #expect(memberRange("object", in: Array(json.utf8)) == nil)
    }
}

@Suite struct ListSplitterTests {
    private func split(_ json: String, chunk: Int) throws -> (items: [String], rest: String) {
        var splitter = ListSplitter(limit: 1 << 20)
        var items: [String] = []
        for part in Array(json.utf8).chunked(chunk) {
            items += try splitter.feed(part).map { String(decoding: $0, as: UTF8.self) }
        }
        return (items, String(decoding: try splitter.finish(), as: UTF8.self))
    }

    @Test(arguments: [1, 2, 3, 7, 64, 10_000])
    func `items come out one by one, the rest at the end`(chunk: Int) throws {
        let (items, rest) = try split(
            #" {"kind":"L", "items": [ {"a":"]}"} , [1,[2]],3 , "x\"y",null,-1.5e3 ], "metadata":{"items":[9],"n":"items"}} "#,
            chunk: chunk)
        #expect(items == [#"{"a":"]}"}"#, "[1,[2]]", "3", #""x\"y""#, "null", "-1.5e3"])
        #expect(rest == #"{"kind":"L", "items": [], "metadata":{"items":[9],"n":"items"}}"#)
    }

    @Test(arguments: [
        (#"{"items":[]}"#, #"{"items":[]}"#), (#"{"items":null,"a":1}"#, #"{"items":null,"a":1}"#),
        ("{}", "{}"), (#"{"a":{"items":[1]}}"#, #"{"a":{"items":[1]}}"#),
        (#"{"items":{"a":[1]}}"#, #"{"items":{"a":[1]}}"#),
        (#"{"a":"items","b":["items"]}"#, #"{"a":"items","b":["items"]}"#),
    ])
    func `a list without items is left as it is`(json: String, rest: String) throws {
        let result = try split(json, chunk: 1)
        #expect(result.items.isEmpty)
        #expect(result.rest == rest)
    }

    @Test(arguments: [
        ("[1]", 0), ("x", 0), (#"{"items":[,1]}"#, 10), (#"{"items":[1,]}"#, 12), (#"{"items":[1 2]}"#, 12),
        (#"{"items":[1}]}"#, 11), (#"{"items":[{}{}]}"#, 12), (#"{"items":[]} x"#, 13), (#"{"items" 1}"#, 9),
    ])
    func `what is no list is refused where it stops being one`(json: String, offset: Int) {
        #expect(throws: ListSplitter.Failure.syntax(offset: offset)) { try split(json, chunk: 3) }
        #expect(throws: ListSplitter.Failure.syntax(offset: offset)) { try split(json, chunk: 1_000) }
    }

    @Test(arguments: ["", " ", "{", #"{"items":["#, #"{"items":[{"a":1}"#, #"{"items":[{"a":"#, #"{"items":[]"#])
    func `an end that comes too early is an error`(json: String) {
        #expect(throws: ListSplitter.Failure.truncated) { try split(json, chunk: 4) }
    }

    @Test func `an element or a rest without end is refused`() throws {
        var splitter = ListSplitter(limit: 20)
        _ = try splitter.feed(Array(#"{"items":["0123"#.utf8))
        #expect(throws: ListSplitter.Failure.tooLarge(limit: 20)) {
            try splitter.feed(Array("0123456789abcdefghij".utf8))
        }
        splitter = ListSplitter(limit: 20)
        #expect(throws: ListSplitter.Failure.tooLarge(limit: 20)) {
            try splitter.feed(Array(#"{"kind":"abcdefghijklmnopqrst"}"#.utf8))
        }
    }

    @Test func `it keeps one element and the rest, however long the list is`() throws {
        let element = "{\"metadata\":{\"name\":\"a\"},\"x\":\"\(String(repeating: "y", count: 1_000))\"}"
        var splitter = ListSplitter(limit: 1 << 20)
        _ = try splitter.feed(Array("{\"kind\":\"L\",\"items\":[\(element)".utf8))
        let part = Array(",\(element)".utf8)
        var (count, most) = (0, 0)
        for chunk in (0..<2_000).flatMap({ _ in part }).chunked(777) {
            count += try splitter.feed(chunk).count
            most = max(most, splitter.buffered)
        }
        #expect(count == 2_000)
        #expect(most < element.utf8.count + 100)
    }

    /// Random documents, cut at random places, against what JSONSerialization makes of the whole.
    @Test(arguments: 0..<8)
    func `random lists come apart as a parser takes them`(seed: UInt64) throws {
        var random = RandomJSON(seed: seed)
        for _ in 0..<150 {
            let json = random.list()
            let bytes = Array(json.utf8)
            var splitter = ListSplitter(limit: 1 << 20)
            var items: [[UInt8]] = []
            var index = 0
            while index < bytes.count {
                let end = min(bytes.count, index + 1 + random.number(below: 40))
                items += try splitter.feed(Array(bytes[index..<end]))
                index = end
            }
            let rest = try splitter.finish()
            let whole = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? NSDictionary)
            let expected = try #require(whole["items"] as? NSArray)
            let parsed = try items.map {
                try JSONSerialization.jsonObject(with: Data($0), options: .fragmentsAllowed)
            }
            #expect(NSArray(array: parsed) == expected, "\(json)")
            let without = try #require(whole.mutableCopy() as? NSMutableDictionary)
            without["items"] = NSArray()
            #expect(try JSONSerialization.jsonObject(with: Data(rest)) as? NSDictionary == without, "\(json)")
        }
    }

    /// Whatever is broken: no crash, and the rest of the machine never lies about what it keeps.
    @Test(arguments: 0..<4)
    func `broken documents never crash it`(seed: UInt64) throws {
        var random = RandomJSON(seed: 100 + seed)
        for _ in 0..<300 {
            var bytes = Array(random.list().utf8)
            for _ in 0...random.number(below: 4) where !bytes.isEmpty {
                let place = random.number(below: bytes.count)
                switch random.number(below: 3) {
                case 0: bytes.remove(at: place)
                case 1: bytes.insert(UInt8(random.number(below: 256)), at: place)
                default: bytes = Array(bytes[..<place])
                }
            }
            var splitter = ListSplitter(limit: 1 << 20)
            do {
                for chunk in bytes.chunked(1 + random.number(below: 30)) { _ = try splitter.feed(chunk) }
                _ = try splitter.finish()
            } catch {
                // As it should.
            }
            #expect(splitter.buffered <= bytes.count)
        }
    }
}

extension Array where Element == UInt8 {
    func chunked(_ size: Int) -> [[UInt8]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}

/// JSON with all that can confuse: strings of brackets, escapes, spaces, nested `items`.
struct RandomJSON {
    private var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }

    mutating func list() -> String {
        var members = ["\"items\"\(space()):\(space())[\(elements(depth: 3))]"]
        for index in 0..<number(below: 4) { members.append("\"m\(index)\"\(space()):\(value(depth: 2))") }
        members.shuffle(using: &generator)
        return "\(space()){\(space())\(members.joined(separator: ",\(space())"))\(space())}\(space())"
    }

    private mutating func elements(depth: Int) -> String {
        let count = number(below: 6)
        return space() + (0..<count).map { _ in space() + value(depth: depth) + space() }.joined(separator: ",")
    }

    private mutating func value(depth: Int) -> String {
        switch number(below: depth > 0 ? 8 : 5) {
        case 0: return "\(number(below: 2_000) - 1_000)"
        case 1: return ["true", "false", "null", "1.5e2", "-0.25"][number(below: 5)]
        case 2, 3, 4: return string()
        case 5: return "[\(elements(depth: depth - 1))]"
        default:
            let names = ["items", "a", "metadata", "b"].prefix(number(below: 5))
            let members = names.map { "\"\($0)\"\(space()):\(space())\(value(depth: depth - 1))" }
            return "{\(members.joined(separator: ","))\(space())}"
        }
    }

    private mutating func string() -> String {
        let pieces = [
            "a", "é", "😀", "\\\"", "\\\\", "{", "}", "[", "]", ",", ":", "items", "\\n", "\\u0041", "\\/", " ", "'",
        ]
        return "\"" + (0..<number(below: 8)).map { _ in pieces[number(below: pieces.count)] }.joined() + "\""
    }

    private mutating func space() -> String {
        ["", "", "", " ", "\n", "\t ", "\r\n"][number(below: 7)]
    }
}
