// SPDX-License-Identifier: Apache-2.0

/// Which part of a container's log is meant.
package struct LogSelection: Hashable, Sendable {
    /// nil: the pod has one container only.
    package var container: String?
    /// That of the container before its last restart; `KubeError` with 400 if there was none.
    package var isPrevious = false
    /// From the end; nil: all.
    package var lines: Int?
    /// The server ends the answer about there, maybe within a line. With more in `lines`, the newest are missing.
    package var bytes: Int?

    package init(container: String? = nil, isPrevious: Bool = false, lines: Int? = nil, bytes: Int? = nil) {
        self.container = container
        self.isPrevious = isPrevious
        self.lines = lines
        self.bytes = bytes
    }

    var query: [(name: String, value: String)] {
        var query: [(name: String, value: String)] = []
        if let container { query.append(("container", container)) }
        if isPrevious { query.append(("previous", "true")) }
        if let lines { query.append(("tailLines", "\(lines)")) }
        if let bytes { query.append(("limitBytes", "\(bytes)")) }
        return query
    }
}

extension APIClient {
    /// What a container has written, at most `ClientOptions.maximumObjectBytes`. The API server asks the pod's kubelet: an
    /// error may be either's.
    package func log(ofPod name: String, namespace: String, _ selection: LogSelection) async throws -> [UInt8] {
        let path = KubePod.resource.descriptor.path(namespace: namespace, name: name, subresource: "log")
        var request = APIRequest(path: path)
        request.query = selection.query
        return try await transport.call(request)
    }
}
