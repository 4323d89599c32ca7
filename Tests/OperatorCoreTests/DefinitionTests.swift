// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubeClient
import KubeTestSupport
import Testing

@testable import OperatorCore

@Suite struct DefinitionTests {
    private static let text = """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: things.skein.dev, annotations: {skein.dev/crd-version: "3"}}
        spec: {group: skein.dev, enum: ["True", "1", 1, true, 1.5, null], again: &a {x: y}, more: *a}
        """

    @Test func `what is quoted stays a string, and aliases are written out`() throws {
        let definition = try #require(try Definition.parse(Self.text, file: "a.yaml").first)
        #expect(definition.name == "things.skein.dev" && definition.version == 3)
        #expect(
            definition.object["spec"]["enum"]
                == .list([.string("True"), .string("1"), .integer(1), .bool(true), .number(1.5), .null]))
        #expect(definition.object["spec"]["more"] == .map(["x": .string("y")]))
    }

    @Test(arguments: [
        ("a: [", "a.yaml"), ("apiVersion: v1\nkind: Pod", "is no CustomResourceDefinition"),
        (text.replacingOccurrences(of: "name: things.skein.dev, ", with: ""), "metadata.name is missing"),
        (text.replacingOccurrences(of: "\"3\"", with: "x"), "is not a whole number"),
        (text.replacingOccurrences(of: "\"3\"", with: "\"0\""), "is not a whole number"),
        (text.replacingOccurrences(of: "\"3\"", with: "3"), "in quotes"),
    ])
    func `a file that is no definition is refused, with its name and the reason`(text: String, words: String) throws {
        let error = #expect(throws: DefinitionError.self) { try Definition.parse(text, file: "a.yaml") }
        let message = "\(try #require(error))"
        #expect(message.contains(words) && message.contains("a.yaml"), "\(message)")
    }

    @Test func `a folder without definitions is refused, and so is one that has one twice`() async throws {
        try await withTemporaryFolder { folder in
            #expect(throws: DefinitionError.self) { try Definition.load(folder: folder.path) }
            #expect(throws: DefinitionError.self) { try Definition.load(folder: folder.path + "/none") }
            try folder.write("a.yaml", Self.text)
            try folder.write("README", "no")
            #expect(try Definition.load(folder: folder.path).map(\.name) == ["things.skein.dev"])
            try folder.write("b.yml", Self.text)
            #expect(throws: DefinitionError.self) { try Definition.load(folder: folder.path) }
        }
    }

    // MARK: What is to be done

    private static func state(_ version: String?, _ conditions: [String: Bool] = [:], isGoing: Bool = false)
        -> DefinitionState
    {
        var metadata = ObjectMeta(name: "things.skein.dev", uid: "u", resourceVersion: "5")
        if isGoing { metadata.deletionTimestamp = "2026-01-01T00:00:00Z" }
        return DefinitionState(
            metadata: metadata, versionText: version,
            conditions: conditions.map { type, isTrue in
                KubeCondition(type: type, status: isTrue ? "True" : "False", message: "\(type) says so")
            })
    }

    private static let seen = ObjectMeta(name: "things.skein.dev", uid: "u", resourceVersion: "5")

    @Test(
        arguments: [
            (nil, DefinitionStep.apply(replacing: nil)),
            (state(nil, ["Established": true]), .apply(replacing: seen)),
            (state("2", ["Established": true]), .apply(replacing: seen)),
            (state("3"), .wait(problem: nil)),
            (state("3", ["Established": false]), .wait(problem: nil)),
            (state("3", ["Established": true]), .done(newer: nil)),
            (state("4", ["Established": true]), .done(newer: 4)),
            (state("4"), .wait(problem: nil)),
            (state("3", ["NamesAccepted": false]), .wait(problem: "NamesAccepted says so")),
            (state("3", ["NonStructuralSchema": true]), .wait(problem: "NonStructuralSchema says so")),
            (state("3", ["Established": true], isGoing: true), .wait(problem: "it is being deleted")),
        ] as [(DefinitionState?, DefinitionStep)])
    func `older ones are replaced, newer ones left alone`(found: DefinitionState?, step: DefinitionStep) throws {
        let ours = try #require(try Definition.parse(Self.text, file: "a.yaml").first)
        #expect(DefinitionStep(ours, found: found) == step)
    }

    @Test func `a version that is none is a problem, and no reason to replace it`() throws {
        let ours = try #require(try Definition.parse(Self.text, file: "a.yaml").first)
        guard case .wait(let problem?) = DefinitionStep(ours, found: Self.state("new", ["Established": true])) else {
            Issue.record("it is touched")
            return
        }
        #expect(problem.contains("crd-version") && problem.contains("new"))
    }

    // MARK: Against a server

    private static let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.skein.dev"

    @Test func `a definition is made, waited for, upgraded and never downgraded`() async throws {
        let cluster = FakeCluster()
        try await withServer {
            try await cluster.answer($0)
        } _: { client, server in
            let ours = try Definition.parse(Self.text, file: "a.yaml")
            let first = Task { try await DefinitionInstaller(client, ours, logger: quiet).install() }
            try await eventually("it is made") { cluster.object(Self.path) != nil }
            let request = try #require(server.requests.first { $0.method == "PATCH" })
            #expect(request.query["fieldManager"] == "skein-operator" && request.query["force"] == "true")
            #expect(request.json["spec"]["more"]["x"].string == "y")
            try cluster.establish(Self.path)
            try await first.value

            let newer = try Definition.parse(Self.text.replacingOccurrences(of: "\"3\"", with: "\"4\""), file: "a.yaml")
            try await DefinitionInstaller(client, newer, logger: quiet).install()
            let key = Definition.versionKey
            #expect(cluster.object(Self.path)?["metadata"]["annotations"][key].string == "4")
            let upgrade = try #require(server.requests.last { $0.method == "PATCH" })
            #expect(upgrade.json["metadata"]["resourceVersion"].string != nil)

            // What is there is newer.
            let count = server.requests.count { $0.method != "GET" }
            try await DefinitionInstaller(client, ours, logger: quiet).install()
            #expect(server.requests.count { $0.method != "GET" } == count)
            #expect(cluster.object(Self.path)?["metadata"]["annotations"][key].string == "4")
        }
    }

    @Test func `what keeps it from being served is reported, and that it does no more`() async throws {
        let cluster = FakeCluster()
        try cluster.put(
            Self.path,
            """
            {"metadata":{"name":"things.skein.dev","annotations":{"skein.dev/crd-version":"3"}},"status":{"conditions":[\
            {"type":"NamesAccepted","status":"False","message":"snp is taken"}]}}
            """)
        let reports = Collected<[String]>()
        try await withServer {
            try await cluster.answer($0)
        } _: { client, _ in
            let ours = try Definition.parse(Self.text, file: "a.yaml")
            let installer = DefinitionInstaller(client, ours, logger: quiet) { reports.append($0) }
            let task = Task { try await installer.install() }
            try await eventually("it is reported") { reports.all.count == 1 }
            #expect(reports.all[0].count == 1 && reports.all[0][0].contains("snp is taken"))
            #expect(reports.all[0][0].contains("things.skein.dev"))
            try cluster.establish(Self.path)
            try await task.value
            #expect(reports.all.count == 2 && reports.all[1] == [])
        }
    }
}

extension FakeCluster {
    /// Says that a CRD is served.
    func establish(_ path: String) throws {
        guard var object = object(path) else { return }
        object["status"] = try JSONValue("{\"conditions\":[{\"type\":\"Established\",\"status\":\"True\"}]}")
        try put(path, object.text)
    }
}
