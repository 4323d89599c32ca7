// SPDX-License-Identifier: Apache-2.0

extension APIClient {
    private struct ResourceList: Decodable {
        struct Entry: Decodable {
            let name: String
        }

        let resources: [Entry]
    }

    /// Whether the server serves it now. A CRD is served some moments after it is made.
    package func isServed(_ descriptor: ResourceDescriptor) async throws -> Bool {
        do {
            let list = try await call(APIRequest(path: descriptor.root)) { bytes in
                try decodeJSON(ResourceList.self, from: bytes)
            }
            return list.resources.contains { $0.name == descriptor.plural }
        } catch let error as KubeError {
            guard error.isNotFound else { throw error }
            return false
        }
    }

    /// The first of `candidates` that is served: the newest version goes in front.
    package func firstServed(of candidates: [ResourceDescriptor]) async throws -> ResourceDescriptor? {
        for candidate in candidates where try await isServed(candidate) { return candidate }
        return nil
    }

    /// Where EndpointSlices are: discovery.k8s.io/v1 (Kubernetes 1.21 on), else v1beta1; nil if there are none.
    package func endpointSlices() async throws -> ResourceDescriptor? {
        try await firstServed(
            of: ["v1", "v1beta1"].map { version in
                ResourceDescriptor(
                    group: "discovery.k8s.io", version: version, plural: "endpointslices", kind: "EndpointSlice",
                    isNamespaced: true)
            })
    }

    /// "v1.20.2"
    package func serverVersion() async throws -> String {
        struct Version: Decodable {
            let gitVersion: String
        }
        return try await call(APIRequest(path: "/version")) { bytes in
            try decodeJSON(Version.self, from: bytes).gitVersion
        }
    }
}
