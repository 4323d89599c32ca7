// SPDX-License-Identifier: Apache-2.0

/// coordination.k8s.io/v1 Lease.
package struct KubeLease: KubeObject, Hashable, Codable, Sendable {
    package struct Spec: Hashable, Codable, Sendable {
        /// Empty or nil: nobody's.
        package var holderIdentity: String?
        package var leaseDurationSeconds: Int?
        /// RFC 3339 with microseconds, as the server's clock type wants it.
        package var acquireTime: String?
        package var renewTime: String?
        package var leaseTransitions: Int?

        package init(
            holderIdentity: String? = nil, leaseDurationSeconds: Int? = nil, acquireTime: String? = nil,
            renewTime: String? = nil, leaseTransitions: Int? = nil
        ) {
            self.holderIdentity = holderIdentity
            self.leaseDurationSeconds = leaseDurationSeconds
            self.acquireTime = acquireTime
            self.renewTime = renewTime
            self.leaseTransitions = leaseTransitions
        }
    }

    package var metadata: ObjectMeta
    package var spec: Spec?

    package init(metadata: ObjectMeta, spec: Spec?) {
        self.metadata = metadata
        self.spec = spec
    }

    package static let resource = Resource<KubeLease>(
        ResourceDescriptor(
            group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease", isNamespaced: true))
}
