// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Manifests

@Suite struct DocumentSplitterTests {
    @Test(
        arguments: [
            ("a: 1\n", [(1, "a: 1\n")]),
            ("", []),
            ("# only a comment\n\n", []),
            ("a: 1\n---\nb: 2\n", [(1, "a: 1\n"), (2, "---\nb: 2\n")]),
            ("---\na: 1\n---\n---\nb: 2", [(1, "---\na: 1\n"), (3, "---\n"), (4, "---\nb: 2")]),
            ("# about a\n\n---\na: 1\n", [(1, "# about a\n\n---\na: 1\n")]),
            (
                "%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\nb: 2\n",
                [(1, "%YAML 1.1\n---\na: 1\n"), (5, "%YAML 1.1\n---\nb: 2\n")]
            ),
            ("a: 1\n...\nb: 2\n", [(1, "a: 1\n"), (3, "b: 2\n")]),
            ("a: 1\r\n---\r\nb: 2\r\n", [(1, "a: 1\r\n"), (2, "---\r\nb: 2\r\n")]),
            ("a: 1\n--- # next\nb: 2\n", [(1, "a: 1\n"), (2, "--- # next\nb: 2\n")]),
            ("a: 1\n--- {b: 2}\n", [(1, "a: 1\n"), (2, "--- {b: 2}\n")]),
            ("a: |\n  ---\n  text\n----\n...b\n", [(1, "a: |\n  ---\n  text\n----\n...b\n")]),
        ] as [(String, [(Int, String)])])
    func `documents end at their markers and know their first line`(text: String, expected: [(Int, String)]) {
        let documents = DocumentSplitter.split(text)
        #expect(documents.map(\.firstLine) == expected.map(\.0))
        #expect(documents.map(\.text) == expected.map(\.1))
    }
}

@Suite struct ScalarValueTests {
    @Test(
        arguments: [
            ("", .null), ("~", .null), ("null", .null), ("true", .boolean(true)), ("Yes", .boolean(true)),
            ("off", .boolean(false)), ("n", .boolean(false)), ("80", .integer(80)), ("-1", .integer(-1)),
            ("0", .integer(0)), ("0x50", .integer(nil)), ("0777", .integer(nil)), ("+80", .integer(nil)),
            ("8_0", .integer(nil)), ("0b11", .integer(nil)), ("99999999999999999999", .integer(nil)), ("1.0", .float),
            ("1e3", .float), (".5", .float), ("-.inf", .float), (".nan", .float), ("1.2.3", .string("1.2.3")),
            ("http", .string("http")), ("-", .string("-")), ("10.0.0.0/8", .string("10.0.0.0/8")),
            ("0x", .string("0x")), ("yes!", .string("yes!")), ("nan", .string("nan")),
            ("2024-01-01", .string("2024-01-01")),
            ("1a", .string("1a")), ("0xfg", .string("0xfg")),
        ] as [(String, ScalarValue)])
    func `an unquoted scalar is what Kubernetes takes it for`(text: String, expected: ScalarValue) {
        #expect(ScalarValue.plain(text) == expected)
    }
}
