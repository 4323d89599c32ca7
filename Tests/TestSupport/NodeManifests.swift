// SPDX-License-Identifier: Apache-2.0

// Texts of manifests.

/// A NetworkPolicy.
///
/// - Parameter spec: YAML in block style, beginning at the first column.
package func policyManifest(_ name: String, namespace: String = "default", _ spec: String) -> String {
    """
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: \(name), namespace: \(namespace)}
    spec:
    \(spec.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))

    """
}

package func namespaceManifest(_ name: String, labels: [String: String]) -> String {
    """
    apiVersion: v1
    kind: Namespace
    metadata: {name: \(name), labels: \(flow(labels))}

    """
}

/// A Pod with labels and named TCP ports.
package func podManifest(
    _ name: String, namespace: String = "default", labels: [String: String], ports: [String: UInt16] = [:]
) -> String {
    let list = ports.sorted { $0.key < $1.key }.map { "{name: \($0.key), containerPort: \($0.value)}" }
    return """
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), namespace: \(namespace), labels: \(flow(labels))}
        spec:
          containers:
          - name: main
            ports: [\(list.joined(separator: ", "))]

        """
}

/// Several documents in one file.
package func documents(_ texts: String...) -> String { texts.joined(separator: "---\n") }

private func flow(_ labels: [String: String]) -> String {
    "{" + labels.sorted { $0.key < $1.key }.map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", ") + "}"
}
