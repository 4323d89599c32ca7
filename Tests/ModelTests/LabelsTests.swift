// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct LabelsTests {
    @Test func `order of insertion does not matter, and the last value of a key counts`() {
        var built: Labels = [:]
        for (key, value) in [("b", "2"), ("c", "3"), ("a", "1"), ("b", "two")] { built[key] = value }
        let literal: Labels = ["a": "1", "b": "x", "b": "two", "c": "3"]
        #expect(built == literal)
        #expect(built.hashValue == literal.hashValue)
        #expect(built.map(\.key) == ["a", "b", "c"])
        #expect(built.description == "a=1,b=two,c=3")
    }

    @Test func `every key is found, absent ones are not`() {
        var labels: Labels = [:]
        for number in 0..<50 { labels["key\(number * 7 % 50)"] = "\(number)" }
        #expect(labels.count == 50)
        for number in 0..<50 { #expect(labels["key\(number * 7 % 50)"] == "\(number)") }
        #expect(labels["key50"] == nil && labels[""] == nil)
    }

    @Test func `nil removes a key and nothing else`() {
        var labels: Labels = ["a": "1", "b": "2", "c": "3"]
        labels["b"] = nil
        labels["x"] = nil
        #expect(labels == ["a": "1", "c": "3"])
    }

    @Test func `a namespace always has the label of its name`() {
        #expect(Namespace(name: "blue").labels == ["kubernetes.io/metadata.name": "blue"])
        let lying = Namespace(name: "blue", labels: ["kubernetes.io/metadata.name": "red", "a": "b"])
        #expect(lying.labels == ["kubernetes.io/metadata.name": "blue", "a": "b"])
        let unknown = SecurityLabels(namespace: "blue", nil, podLabels: [:])
        #expect(unknown.namespaceLabels == ["kubernetes.io/metadata.name": "blue"])
    }

    @Test func `references read as people write them`() {
        #expect(ObjectReference(kind: "NetworkPolicy", namespace: "a", name: "b").description == "NetworkPolicy a/b")
        #expect(ObjectReference(kind: "Namespace", namespace: "", name: "b").description == "Namespace b")
    }
}
