// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// Objects, and who reaches whom while they are there.
package struct Scenario: Sendable {
    /// What must be there, else it is skipped.
    package enum Need: Hashable, Sendable {
        case twoNodes
        case world
        case skeinKinds
        case apiServer
    }

    package struct Object: Hashable, Sendable {
        package let kind: ResourceDescriptor
        package let document: KubeDocument

        /// Agents say of these whether they are enforced.
        package var hasStatus: Bool { kind.group == "skein.dev" }
    }

    package let name: String
    /// One line.
    package let about: String
    package let needs: Set<Need>
    package let expectations: [Expectation]
    package let objects: @Sendable (Topology) -> [Object]

    init(
        _ name: String, _ about: String, needs: Set<Need> = [], _ expectations: [[Expectation]],
        objects: @escaping @Sendable (Topology) -> [Object] = { _ in [] }
    ) {
        self.name = name
        self.about = about
        self.needs = needs
        self.expectations = expectations.flatMap(\.self)
        self.objects = objects
    }

    /// What is missing; nil: it can be run.
    package func obstacle(_ topology: Topology) -> String? {
        if needs.contains(.twoNodes), !topology.hasTwoNodes { return "there is one node only" }
        if needs.contains(.world), topology.questions(.world).isEmpty { return "no --world address is given" }
        if needs.contains(.skeinKinds), !topology.hasSkeinKinds { return "Skein's kinds are not served" }
        if needs.contains(.apiServer), topology.questions(.apiServer).isEmpty {
            return "the API server has no address of a family that pods have"
        }
        return nil
    }
}

/// The first reach all of the others, or with `cannot`, none.
func can(_ probers: Prober..., reach targets: Target...) -> [Expectation] {
    probers.flatMap { prober in targets.map { Expectation(from: prober, to: $0, isAllowed: true) } }
}

func cannot(_ probers: Prober..., reach targets: Target...) -> [Expectation] {
    probers.flatMap { prober in targets.map { Expectation(from: prober, to: $0, isAllowed: false) } }
}

extension Target {
    static let nearHTTP = Target.echo(.near, .http)
    static let farHTTP = Target.echo(.far, .http)
    static let nearOther = Target.echo(.near, .other)
    static let farOther = Target.echo(.far, .other)
    static let nearUDP = Target.echo(.near, .udp)
    static let farUDP = Target.echo(.far, .udp)
    static let nearPing = Target.echo(.near, .ping)
    static let farPing = Target.echo(.far, .ping)
    static let nearClosed = Target.echo(.near, .closed)
    static let farClosed = Target.echo(.far, .closed)
}
