// SPDX-License-Identifier: Apache-2.0

/// How long the two sides of an ADD wait. The plugin asks twice: for addresses, then for the programs; each time an agent in
/// a cluster may have to wait for the pod and its identity. Its answer, with the reason, is worth more than a plugin that has
/// gone; so the plugin waits longer. All that is for an agent that runs: connecting to one that does not fails at once.
package enum AddPatience {
    /// The agent's, each time, if it is not told a shorter one.
    package static var standard: Duration { longest }
    /// The most that it may be told. Kubelet gives a sandbox four minutes; an ADD that gives up earlier has it torn down and
    /// made anew, which costs a busy node more than to wait.
    package static var longest: Duration { .seconds(30) }
    /// The plugin's, for addresses. It may have to ask again, when an ADD that was killed is to be taken back first.
    package static var reserve: Duration { longest + longest + work }
    /// The plugin's, for the programs.
    package static var attach: Duration { longest + work }

    /// What the agent needs besides, behind many others on a busy node.
    private static var work: Duration { .seconds(10) }
}
