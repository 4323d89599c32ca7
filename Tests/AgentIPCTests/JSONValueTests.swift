// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import AgentIPC

@Suite struct JSONValueTests {
    private func parse(_ text: String) throws(JSONError) -> JSONValue {
        try JSONValue(parsing: Array(text.utf8))
    }

    @Test(
        arguments: [
            (" null\n", .null), ("true", .bool(true)), ("\tfalse\r", .bool(false)), ("0", .integer(0)),
            ("-0", .integer(0)),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("1.0", .number(1)), ("1e2", .number(100)),
            ("-2.5E-1", .number(-0.25)), ("1E+3", .number(1_000)), (#""""#, .string("")),
            (#""\"\\\/\b\f\n\r\t""#, .string("\"\\/\u{8}\u{c}\n\r\t")), (#""a\u00E9b""#, .string("aéb")),
            (#""\ud83d\uDE00x""#, .string("😀x")), (#""\u0000\ufeff""#, .string("\0\u{feff}")),
            (#""é😀""#, .string("é😀")),
            ("[ ]", .array([])), ("{ }", .object([:])), ("[1 , [2]]", .array([.integer(1), .array([.integer(2)])])),
            (#"{ "b" : 1 , "a" : null }"#, .object(["a": .null, "b": .integer(1)])),
        ] as [(String, JSONValue)])
    func `reads`(text: String, value: JSONValue) throws {
        #expect(try parse(text) == value)
    }

    @Test(arguments: [
        ("", "it ends too early at byte 0"), (" ", "it ends too early at byte 1"),
        ("nul", "it ends too early at byte 3"),
        ("nulL", "unexpected L at byte 3"), ("[1", "it ends too early at byte 2"), ("[1,]", "unexpected ] at byte 3"),
        ("[,1]", "unexpected , at byte 1"), ("[1 2]", "unexpected 2 at byte 3"), ("{}x", "unexpected x at byte 2"),
        (#"{"a":1,}"#, "unexpected } at byte 7"), (#"{"a"}"#, "unexpected } at byte 4"),
        ("{1:2}", "unexpected 1 at byte 1"),
        ("\"a", "it ends too early at byte 2"), ("\"a\n\"", "unexpected byte 10 at byte 2"),
        (#""\x""#, "unexpected x at byte 2"), (#""\u12g4""#, "unexpected g at byte 5"),
        (#""\ud83d""#, "half a surrogate pair at byte 3"), (#""\ude00""#, "half a surrogate pair at byte 3"),
        (#""\ud83d\u0041""#, "half a surrogate pair at byte 3"), (#""\ud83dx""#, "half a surrogate pair at byte 3"),
        (#""\ud83d\n""#, "half a surrogate pair at byte 3"),
        ("01", "unexpected 1 at byte 1"), ("-", "it ends too early at byte 1"), ("+1", "unexpected + at byte 0"),
        ("1.", "it ends too early at byte 2"), (".5", "unexpected . at byte 0"), ("1e", "it ends too early at byte 2"),
        ("1e+-1", "unexpected - at byte 3"), ("1e999", "a number out of range at byte 0"),
        ("NaN", "unexpected N at byte 0"),
        ("\u{feff}{}", "unexpected byte 239 at byte 0"), ("// x\n1", "unexpected / at byte 0"),
    ])
    func `refuses`(text: String, detail: String) {
        #expect(throws: JSONError("no JSON: " + detail)) { try parse(text) }
    }

    @Test(
        arguments: [
            [0xff], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x5c, 0x6e, 0xff],
            [0xff, 0x5c, 0x6e],
        ] as [[UInt8]])
    func `refuses invalid UTF-8`(bytes: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        #expect(throws: JSONError.self) { try JSONValue(parsing: [quote] + bytes + [quote]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array("{\"".utf8) + bytes + Array("\":1}".utf8)) }
    }

    @Test func `levels are bounded`() throws {
        func nested(_ count: Int) -> String {
            String(repeating: "[{\"a\":", count: count / 2) + "1" + String(repeating: "}]", count: count / 2)
        }
        _ = try parse(nested(512))
        #expect(throws: JSONError("no JSON: more than 512 levels at byte 1536")) { try parse(nested(514)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test func `the last of several members with a key counts`() throws {
        let value = try parse(#"{"b":1,"a":2,"\u0062":3,"a":{"x":1},"a":4}"#)
        #expect(value.text == #"{"a":4,"b":3}"#)
    }

    @Test func `keys are bytes`() throws {
        // Equal as strings, since canonically equivalent.
        let object = try parse("{\"\u{e9}\":1,\"e\u{301}\":2,\"K\":3,\"\u{212a}\":4}").object
        #expect(object.members.count == 4)
        #expect(object["\u{e9}"] == .integer(1))
        #expect(object["e\u{301}"] == .integer(2))
        #expect(object["K"] == .integer(3))
        #expect(object["k"] == nil)
    }

    @Test func `a number that JSON does not have is null`() {
        #expect(JSONValue.array([.number(.infinity), .number(.nan), .number(-0.5)]).text == "[null,null,-0.5]")
    }
}
