// SPDX-License-Identifier: Apache-2.0

package import Model

/// A policy of any kind, as the compiler takes it. A policy whose parts hold for different pods is several of them, with
/// one reference.
package struct PolicyObject: Hashable, Sendable {
    package var reference: ObjectReference
    /// The pods that it holds for.
    package var subject: PodSelector
    /// In these directions the selected pods may only do what some rule of the networkPolicy tier allows.
    package var defaultDeny: Set<Direction>
    /// In the order of declaration.
    package var rules: [PolicyRule]

    package init(
        reference: ObjectReference, subject: PodSelector, defaultDeny: Set<Direction> = [], rules: [PolicyRule] = []
    ) {
        self.reference = reference
        self.subject = subject
        self.defaultDeny = defaultDeny
        self.rules = rules
    }
}
