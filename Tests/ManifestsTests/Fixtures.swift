// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding

@testable import Manifests

/// A NetworkPolicy named default/web. Its spec begins in line 5; `spec` is indented by two.
func policyText(_ spec: String, name: String = "web") -> String {
    let lines = spec.split(separator: "\n", omittingEmptySubsequences: false)
    return """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: \(name)}
        spec:
        \(lines.map { "  " + $0 }.joined(separator: "\n"))

        """
}

func decode(_ text: String) -> DecodedFile {
    ManifestDecoder.decode(text, file: "x.yaml")
}

func decodePolicy(_ spec: String) -> NetworkPolicy? {
    guard case .networkPolicy(let policy)? = decode(policyText(spec)).objects.first?.object else { return nil }
    return policy
}
