// SPDX-License-Identifier: Apache-2.0
import Kernel
import ObjectDecoding
import Testing

@testable import Manifests

/// The custom resources' schemas in deploy/crds.
@Suite struct SchemaTests {
    private static let plurals = [
        "SkeinNetworkPolicy": "skeinnetworkpolicies", "SkeinClusterNetworkPolicy": "skeinclusternetworkpolicies",
    ]

    private static func definition(_ plural: String) throws -> FieldNode {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let bytes = try #require(try AtomicFile.readIfThere("\(root)/deploy/crds/\(plural).yaml"))
        let text = String(decoding: bytes, as: UTF8.self)
        let node = try #require(try DocumentParser.parse(DocumentText(text: text, firstLine: 1)))
        return NodeConverter.convert(node, textSize: bytes.count)
    }

    private static func schema(_ plural: String) throws -> FieldNode {
        let definition = try definition(plural)
        guard case .list(let versions) = definition["spec"]?["versions"]?.value else { throw Missing() }
        return try #require(versions.first?["schema"]?["openAPIV3Schema"])
    }

    private struct Missing: Error {}

    /// Every field below a schema: "spec.ingress.fromEndpoints.matchLabels", without marks for lists.
    private static func paths(of schema: FieldNode, at path: String = "") -> Set<String> {
        var paths: Set<String> = []
        if let items = schema["items"] { paths.formUnion(Self.paths(of: items, at: path)) }
        guard case .map(let properties) = schema["properties"]?.value else { return paths }
        for entry in properties.entries {
            let path = path.isEmpty ? entry.key : "\(path).\(entry.key)"
            paths.insert(path)
            paths.formUnion(Self.paths(of: entry.value, at: path))
        }
        return paths
    }

    /// Every object in a schema that says nothing of fields that it doesn't know.
    private static func dropsOthers(_ schema: FieldNode, at path: String) -> [String] {
        var found: [String] = []
        if schema["properties"] != nil, schema["x-kubernetes-preserve-unknown-fields"]?.value != .bool(true) {
            found.append(path)
        }
        if let items = schema["items"] { found += dropsOthers(items, at: "\(path)[]") }
        if case .map(let properties) = schema["properties"]?.value {
            found += properties.entries.flatMap { dropsOthers($0.value, at: "\(path).\($0.key)") }
        }
        return found
    }

    /// A spec in which everything is there that may hold something else.
    private static let spec: String = {
        let selector = "{matchExpressions: [{key: a, operator: Exists}]}"
        func rule(_ prefix: String) -> String {
            """
            \(prefix)Endpoints: [\(selector)], \(prefix)CIDRSet: [{cidr: 10.0.0.0/8}], \
            toPorts: [{ports: [{port: 80}]}], icmps: [{fields: [{type: 8}]}]
            """
        }
        return """
            {endpointSelector: \(selector), enableDefaultDeny: {}, labels: [{key: a}],
             ingress: [{\(rule("from"))}], ingressDeny: [{\(rule("from"))}],
             egress: [{\(rule("to"))}], egressDeny: [{\(rule("to"))}]}
            """
    }()

    @Test(arguments: ["SkeinNetworkPolicy", "SkeinClusterNetworkPolicy"])
    func `a policy's schema has the fields that the decoder looks for, and no others`(name: String) throws {
        let kind = try #require(ObjectDecoder.kinds[name])
        let text = "{metadata: {name: a}, spec: \(Self.spec), specs: [\(Self.spec)]}"
        let node = try #require(try DocumentParser.parse(DocumentText(text: text, firstLine: 1)))
        let log = FieldLog()
        log.sought = []
        _ = ObjectDecoder.decode(kind, Field(node: NodeConverter.convert(node, textSize: text.utf8.count), log: log))
        let sought = Set((log.sought ?? []).map(Self.withoutIndices).filter { $0.hasPrefix("spec") })
        let described = Self.paths(of: try Self.schema(try #require(Self.plurals[name])))
            .filter { $0.hasPrefix("spec") }
        #expect(sought.count > 150)
        #expect(sought.subtracting(described).sorted() == [])
        #expect(described.subtracting(sought).sorted() == [])
    }

    private static func withoutIndices(_ path: String) -> String {
        var result = ""
        var depth = 0
        for character in path {
            if character == "[" { depth += 1 }
            if depth == 0 { result.append(character) }
            if character == "]" { depth -= 1 }
        }
        return result
    }

    @Test(arguments: ["skeinnetworkpolicies", "skeinclusternetworkpolicies"])
    func `the API server keeps what nobody knows, so that the agents can refuse it`(plural: String) throws {
        let schema = try Self.schema(plural)
        let properties = try #require(schema["properties"])
        for name in ["spec", "specs"] {
            #expect(Self.dropsOthers(try #require(properties[name]), at: name) == [])
        }
    }

    @Test func `both kinds have one spec`() throws {
        let schemas = try Self.plurals.values.map { plural in
            Self.paths(of: try #require(try Self.schema(plural)["properties"]?["spec"]))
        }
        #expect(schemas.count == 2 && schemas[0] == schemas[1])
    }

    @Test(
        arguments: [
            ("skeinnetworkpolicies", "SkeinNetworkPolicy", "snp", "Namespaced"),
            ("skeinclusternetworkpolicies", "SkeinClusterNetworkPolicy", "scnp", "Cluster"),
            ("skeinidentities", "SkeinIdentity", "sid", "Cluster"),
            ("skeinendpointslices", "SkeinEndpointSlice", "seps", "Cluster"),
            ("skeinnodes", "SkeinNode", "sn", "Cluster"),
        ])
    func `each kind is named as it is asked for`(plural: String, kind: String, short: String, scope: String) throws {
        let definition = try Self.definition(plural)
        #expect(definition["apiVersion"]?.text == "apiextensions.k8s.io/v1")
        #expect(definition["metadata"]?["name"]?.text == "\(plural).skein.dev")
        let spec = try #require(definition["spec"])
        #expect(spec["group"]?.text == "skein.dev" && spec["scope"]?.text == scope)
        #expect(spec["names"]?["kind"]?.text == kind && spec["names"]?["plural"]?.text == plural)
        guard case .list(let shortNames) = spec["names"]?["shortNames"]?.value,
            case .list(let categories) = spec["names"]?["categories"]?.value
        else { throw Missing() }
        #expect(shortNames.map(\.text) == [short] && categories.map(\.text) == ["skein"])
    }
}
