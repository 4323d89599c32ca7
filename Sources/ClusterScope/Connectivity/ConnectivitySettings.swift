// SPDX-License-Identifier: Apache-2.0

package struct ConnectivitySettings: Sendable {
    /// Kubernetes' own image for such tests; has all that `ProbeScript` and the echo pods need.
    package static let defaultImage = "registry.k8s.io/e2e-test-images/agnhost:2.53"

    /// The other one has "-other" behind.
    package var namespace = "skein-test"
    package var image = ConnectivitySettings.defaultImage
    package var world: [OutsideAddress] = []
    package var nodePort: UInt16 = 10_250
    /// For each scenario, until it is as expected.
    package var timeout: Duration = .seconds(30)
    /// Until the pods run, and until all is gone.
    package var podTimeout: Duration = .seconds(180)
    /// Stops at the first failure, and leaves everything as it is then.
    package var keeps = false
    /// How often logs and states are read.
    package var pause: Duration = .milliseconds(500)

    package init() {}
}

/// The test can't go on.
package struct ConnectivityProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
