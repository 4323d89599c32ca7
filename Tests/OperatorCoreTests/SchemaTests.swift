// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import OperatorCore

/// The definitions in deploy/crds, as an API server checks them before it takes them.
@Suite struct SchemaTests {
    private static let definitions: [Definition] = {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        return (try? Definition.load(folder: "\(root)/deploy/crds")) ?? []
    }()

    private static func schema(_ definition: Definition) throws -> JSONTree {
        guard case .list(let versions) = definition.object["spec"]["versions"] else { return .null }
        return try #require(versions.first)["schema"]["openAPIV3Schema"]
    }

    @Test func `there are all five of them`() {
        #expect(
            Self.definitions.map(\.name) == [
                "skeinclusternetworkpolicies.skein.dev", "skeinendpointslices.skein.dev", "skeinidentities.skein.dev",
                "skeinnetworkpolicies.skein.dev", "skeinnodes.skein.dev",
            ])
    }

    @Test(arguments: definitions) func `a schema is structural`(definition: Definition) throws {
        let schema = try Self.schema(definition)
        #expect(schema["type"].text == "object")
        #expect(Self.faults(schema, at: definition.name) == [])
    }

    /// Places where a schema breaks the rules of structural schemas: every value has a type, and what stands below anyOf
    /// and the like describes values without giving them a type.
    private static func faults(_ schema: JSONTree, at path: String) -> [String] {
        var found: [String] = []
        let isAny =
            schema["x-kubernetes-int-or-string"] == .bool(true)
            || schema["x-kubernetes-preserve-unknown-fields"] == .bool(true)
        if schema["type"] == .null, !isAny { found.append("\(path): has no type") }
        for key in ["anyOf", "oneOf", "allOf", "not"] {
            guard schema[key] != .null else { continue }
            let parts = if case .list(let list) = schema[key] { list } else { [schema[key]] }
            for part in parts {
                guard case .map(let fields) = part else { continue }
                // int-or-string is spelt with two types.
                let isSpelling = schema["x-kubernetes-int-or-string"] == .bool(true)
                for field in ["type", "description", "default", "additionalProperties", "nullable"]
                where fields[field] != nil && !(isSpelling && field == "type") {
                    found.append("\(path).\(key): has \(field)")
                }
            }
        }
        if case .map(let properties) = schema["properties"] {
            if schema["additionalProperties"] != .null { found.append("\(path): has both kinds of properties") }
            for (name, property) in properties { found += faults(property, at: "\(path).\(name)") }
        }
        if schema["items"] != .null { found += faults(schema["items"], at: "\(path)[]") }
        if schema["type"].text == "array", schema["items"] == .null { found.append("\(path): has no items") }
        if case .map = schema["additionalProperties"] {
            found += faults(schema["additionalProperties"], at: "\(path).*")
        }
        return found
    }

    @Test(arguments: definitions) func `of metadata nothing but the name is restricted`(definition: Definition) throws {
        let metadata = try Self.schema(definition)["properties"]["metadata"]
        #expect(metadata["type"].text == "object")
        if case .map(let properties) = metadata["properties"] { #expect(Array(properties.keys) == ["name"]) }
    }

    @Test(arguments: [
        ("256", true), ("257", true), ("300", true), ("999", true), ("1000", true), ("9999999", true),
        ("10000000", true), ("15999999", true), ("16777215", true), ("16777209", true), ("16776999", true),
        ("0", false), ("1", false), ("255", false), ("0256", false), ("16777216", false), ("16777220", false),
        ("16780000", false), ("17000000", false), ("20000000", false), ("100000000", false), ("256a", false),
        ("-256", false), ("", false),
    ])
    func `an identity is named by a pod's number`(name: String, isRight: Bool) throws {
        let definition = try #require(Self.definitions.first { $0.name == "skeinidentities.skein.dev" })
        let field = try Self.schema(definition)["properties"]["metadata"]["properties"]["name"]
        let pattern = try Regex(try #require(field["pattern"].text))
        #expect((name.firstMatch(of: pattern) != nil) == isRight)
        // What the collector takes for one is the same.
        #expect((IdentityRecord(name: name, uid: "", version: "").number != nil) == isRight)
    }

    @Test(arguments: ["skeinnetworkpolicies", "skeinclusternetworkpolicies"])
    func `a policy has a status of its own, and at its schema's root only what API servers allow beside one`(
        plural: String
    ) throws {
        let definition = try #require(Self.definitions.first { $0.name == "\(plural).skein.dev" })
        // apiextensions-apiserver, ValidateCustomResourceDefinition: of those that we use.
        let allowed: Set = ["type", "description", "properties", "required", "x-kubernetes-preserve-unknown-fields"]
        guard case .map(let root) = try Self.schema(definition) else { return }
        #expect(Set(root.keys).subtracting(allowed) == [])
        guard case .list(let versions) = definition.object["spec"]["versions"] else { return }
        #expect(versions.first?["subresources"]["status"] == .map([:]))
    }
}
