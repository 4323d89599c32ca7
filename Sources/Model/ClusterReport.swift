// SPDX-License-Identifier: Apache-2.0

/// How a source of a cluster's objects is, for people.
package struct ClusterReport: Hashable, Sendable {
    /// An object that is not taken as it is; what was in force before it still is.
    package struct Refusal: Hashable, Sendable {
        package var object: ObjectReference
        /// For a person; names the field.
        package var message: String

        package init(object: ObjectReference, message: String) {
            self.object = object
            self.message = message
        }
    }

    /// The API server's address, as a URL.
    package var server: String
    /// Since when the API server does not answer, seconds since 1970; nil: it does.
    package var awaySince: Int64?
    /// Why it does not answer.
    package var problem: String?
    package var refused: [Refusal]

    package init(server: String, awaySince: Int64? = nil, problem: String? = nil, refused: [Refusal] = []) {
        self.server = server
        self.awaySince = awaySince
        self.problem = problem
        self.refused = refused
    }
}
