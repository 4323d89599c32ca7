// SPDX-License-Identifier: Apache-2.0
package import KubeClient
package import NetTypes

/// v1 Pod: how it is.
package struct ObservedPod: KubeObject, Hashable, Sendable {
    package struct Container: Hashable, Sendable {
        package let name: String
        package let image: String
        /// A log of before the last restart may be there if it is not 0.
        package let restarts: Int
        /// Why it is waiting or has ended: "ImagePullBackOff: …"; nil while it runs.
        package let problem: String?
    }

    package let metadata: ObjectMeta
    /// nil until it is scheduled.
    package let nodeName: String?
    /// Pending, Running, Succeeded, Failed or Unknown.
    package let phase: String
    package let isReady: Bool
    package let addresses: [IPAddress]
    /// Those that run for good; then those that run before them.
    package let containers: [Container]
    package let initContainers: [Container]
    /// What the pod says of itself, as "it can't be scheduled".
    package let message: String?

    package var isBeingDeleted: Bool { metadata.deletionTimestamp != nil }
    package var restarts: Int { containers.reduce(0) { $0 + $1.restarts } }

    /// In one line: what keeps it from being ready. nil: nothing.
    package var problem: String? {
        if isReady { return nil }
        let reasons = (initContainers + containers).compactMap { one in one.problem.map { "\(one.name): \($0)" } }
        return ([phase.lowercased()] + reasons + [message].compactMap(\.self)).joined(separator: "; ")
    }

    package static let resource = Resource<ObservedPod>(Kinds.pods)
}

extension ObservedPod: Decodable {
    private struct Wire: Decodable {
        struct Spec: Decodable {
            let nodeName: String?
            let containers: [Container]
            let initContainers: [Container]?
        }

        struct Container: Decodable {
            let name: String
            let image: String?
        }

        struct Status: Decodable {
            let phase: String?
            let message: String?
            let podIP: String?
            let podIPs: [Address]?
            let conditions: [KubeCondition]?
            let containerStatuses: [ContainerStatus]?
            let initContainerStatuses: [ContainerStatus]?
        }

        struct Address: Decodable {
            let ip: String?
        }

        struct ContainerStatus: Decodable {
            let name: String
            let restartCount: Int?
            let state: [String: State]?
        }

        struct State: Decodable {
            let reason: String?
            let message: String?
            let exitCode: Int?
        }

        let metadata: ObjectMeta
        let spec: Spec
        let status: Status?
    }

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        metadata = wire.metadata
        nodeName = wire.spec.nodeName.flatMap { $0.isEmpty ? nil : $0 }
        phase = wire.status?.phase ?? "Unknown"
        let conditions = wire.status?.conditions ?? []
        isReady = conditions["Ready"]?.isTrue ?? false
        let listed = (wire.status?.podIPs ?? []).compactMap(\.ip)
        addresses = (listed.isEmpty ? [wire.status?.podIP].compactMap(\.self) : listed).compactMap { IPAddress($0) }
        containers = Self.containers(wire.spec.containers, wire.status?.containerStatuses)
        initContainers = Self.containers(wire.spec.initContainers ?? [], wire.status?.initContainerStatuses)
        let unscheduled = conditions["PodScheduled"].flatMap { $0.isTrue ? nil : $0.message }
        message = wire.status?.message ?? unscheduled
    }

    private static func containers(
        _ specified: [Wire.Container], _ statuses: [Wire.ContainerStatus]?
    ) -> [Container] {
        specified.map { container in
            let status = (statuses ?? []).first { $0.name == container.name }
            return Container(
                name: container.name, image: container.image ?? "", restarts: status?.restartCount ?? 0,
                problem: problem(status?.state ?? [:]))
        }
    }

    private static func problem(_ state: [String: Wire.State]) -> String? {
        if let waiting = state["waiting"] {
            return [waiting.reason, waiting.message].compactMap(\.self).joined(separator: ": ")
        }
        guard let ended = state["terminated"], ended.exitCode != 0 else { return nil }
        return "\(ended.reason ?? "ended"), exit code \(ended.exitCode ?? -1)"
    }
}
