// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct SecurityLabelsTests {
    @Test(
        arguments: [
            SecurityLabels(namespace: "a", namespaceLabels: [:], podLabels: [:]),
            SecurityLabels(namespace: "a", namespaceLabels: ["x": "1"], podLabels: ["x": "2", "namespace": "b"]),
            SecurityLabels(
                namespace: "b", Namespace(name: "b", labels: ["example.com/team": ""]), podLabels: ["app": "web"]),
        ])
    func `the flat form is the labels again`(labels: SecurityLabels) {
        #expect(SecurityLabels(flat: labels.flat) == labels)
    }

    @Test func `the flat form says whose label it is`() {
        let labels = SecurityLabels(namespace: "a", namespaceLabels: ["x": "1"], podLabels: ["x": "2"])
        #expect(labels.flat == ["namespace": "a", "namespace:x": "1", "pod:x": "2"])
    }

    @Test(arguments: [[:], ["pod:a": "b"], ["namespace": "a", "other": "b"], ["namespace": "a", "x:y": "b"]])
    func `what no labels have for their flat form is none`(flat: [String: String]) {
        #expect(SecurityLabels(flat: flat) == nil)
    }
}
