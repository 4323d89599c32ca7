// SPDX-License-Identifier: Apache-2.0
package import Model

/// What the cluster is to be asked and told next.
package struct DirectoryNews: Sendable {
    /// Labels that need a number.
    package var questions: [SecurityLabels] = []
    /// All endpoints of this node; nil: they are as they were told last.
    package var endpoints: [ClusterEndpoint]?
    package var policyStates: [ObjectReference: PolicyState] = [:]
    /// nil: it is as it was told last.
    package var node: NodeState?

    package var isEmpty: Bool { questions.isEmpty && endpoints == nil && policyStates.isEmpty && node == nil }
}

/// Collects what the cluster is to be asked and told, so that it is asked once and told only what is new.
struct DirectoryOutbox {
    private var news = DirectoryNews()
    /// Questions that have no answer yet.
    private var open: Set<SecurityLabels> = []
    private var told: [ClusterEndpoint]?
    private var toldNode: NodeState?
    /// What was said last of policies that could not be put in force.
    private var refused: [ObjectReference: PolicyState] = [:]
    /// Why the last question had no answer.
    private(set) var problem: String?

    mutating func take() -> DirectoryNews {
        defer { news = DirectoryNews() }
        return news
    }

    mutating func ask(_ labels: SecurityLabels) {
        if open.insert(labels).inserted { news.questions.append(labels) }
    }

    /// - Parameter problem: why there is no answer; nil: there is one.
    mutating func close(_ labels: SecurityLabels, problem: String? = nil) {
        open.remove(labels)
        self.problem = problem
    }

    mutating func tell(_ endpoints: [ClusterEndpoint]) {
        guard told != endpoints else { return }
        told = endpoints
        news.endpoints = endpoints
    }

    mutating func tell(_ node: NodeState) {
        guard toldNode != node else { return }
        toldNode = node
        news.node = node
    }

    mutating func tell(_ state: PolicyState, of policy: ObjectReference) {
        if state == .enforced {
            refused[policy] = nil
        } else {
            guard refused.updateValue(state, forKey: policy) != state else { return }
        }
        news.policyStates[policy] = state
    }

    /// An object that is gone.
    mutating func forget(_ policy: ObjectReference) {
        refused[policy] = nil
        news.policyStates[policy] = nil
    }

    var isEmpty: Bool { news.isEmpty }
}
