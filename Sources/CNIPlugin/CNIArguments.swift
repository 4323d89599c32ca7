// SPDX-License-Identifier: Apache-2.0

/// CNI_ARGS: "KEY=VALUE;KEY=VALUE". Values may contain "="; keys that are not known here are left alone.
struct CNIArguments: Hashable, Sendable {
    /// Empty when the runtime named no pod.
    var podNamespace = ""
    var podName = ""
    var podUID: String?
    /// The container that holds the pod's namespaces; the same as CNI_CONTAINERID with Kubernetes' runtimes.
    var infraContainerID: String?
    /// SKEIN_LABELS: the pod's labels as "app=web,tier=front". nil: not given.
    var labels: [String: String]?

    init() {}

    init(_ text: String) throws(CNIError) {
        for part in text.split(separator: ";") {
            guard let (key, value) = Self.pair(part) else {
                throw CNIError(.invalidEnvironment, "CNI_ARGS: \"\(part)\" is not KEY=VALUE")
            }
            switch key {
            case "K8S_POD_NAMESPACE": podNamespace = value
            case "K8S_POD_NAME": podName = value
            case "K8S_POD_UID": podUID = value.isEmpty ? nil : value
            case "K8S_POD_INFRA_CONTAINER_ID": infraContainerID = value.isEmpty ? nil : value
            case "SKEIN_LABELS": labels = try Self.labels(value)
            default: break
            }
        }
        guard podNamespace.isEmpty == podName.isEmpty else {
            throw CNIError(
                .invalidEnvironment, "CNI_ARGS: K8S_POD_NAMESPACE and K8S_POD_NAME come together or not at all")
        }
    }

    private static func labels(_ text: String) throws(CNIError) -> [String: String] {
        var labels: [String: String] = [:]
        for part in text.split(separator: ",") {
            guard let (key, value) = pair(part) else {
                throw CNIError(.invalidEnvironment, "CNI_ARGS: \"\(part)\" in SKEIN_LABELS is not KEY=VALUE")
            }
            guard labels.updateValue(value, forKey: key) == nil else {
                throw CNIError(.invalidEnvironment, "CNI_ARGS: \"\(key)\" is twice in SKEIN_LABELS")
            }
        }
        return labels
    }

    private static func pair(_ text: Substring) -> (key: String, value: String)? {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
}
