// SPDX-License-Identifier: Apache-2.0
import BPF
import Kernel
import Synchronization
import TestSupport

@testable import Datapath

/// Runs a lab's programs on packets, over and over, on a thread of its own, until it is stopped.
final class Hammer: Sendable {
    struct Job: Sendable {
        var frame: [UInt8]
        var ifindex: UInt32
        /// Of the device that it came in by; nil: what the pod sends.
        var deliveredFrom: UInt32?
        /// In one system call. A packet that the program changes is seen changed by the next repetition.
        var repetitions = 1
    }

    private struct State {
        /// By job: the last verdict of each run.
        var verdicts: [Set<Int32>]
        var failure: String?
    }

    private final class Tools: Sendable {
        let namespace: NetworkNamespace
        let fromEndpoint, toEndpoint: BPFProgram

        init(_ lab: Lab) throws {
            namespace = try NetworkNamespace.current()
            fromEndpoint = try BPFProgram(id: lab.datapath.fromEndpoint.info().id)
            toEndpoint = try BPFProgram(id: lab.datapath.toEndpoint.info().id)
        }
    }

    private let state: Mutex<State>
    private let rounds = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private let ended = Atomic<Bool>(false)

    /// To be made in the lab's namespace.
    init(_ lab: Lab, _ jobs: [Job]) throws {
        state = Mutex(State(verdicts: jobs.map { _ in [] }))
        let tools = try Tools(lab)
        try WorkerThread.start("hammer") { [self] in
            do {
                try tools.namespace.run { try loop(tools, jobs) }
            } catch {
                state.withLock { $0.failure = "\(error)" }
            }
            ended.store(true, ordering: .releasing)
        }
    }

    private func loop(_ tools: Tools, _ jobs: [Job]) throws {
        while !stopping.load(ordering: .relaxed) {
            for (index, job) in jobs.enumerated() {
                let context = SkbContext(ifindex: job.ifindex, ingressIfindex: job.deliveredFrom ?? job.ifindex)
                let verdict =
                    job.deliveredFrom == nil
                    ? try tools.fromEndpoint.testRun(
                        job.frame, context: context, repetitions: job.repetitions, returnsPacket: false
                    ).verdict
                    : try tools.toEndpoint.testRun(
                        job.frame, context: context, repetitions: job.repetitions, returnsPacket: false
                    ).verdict
                state.withLock { _ = $0.verdicts[index].insert(verdict) }
            }
            rounds.add(1, ordering: .relaxed)
        }
    }

    /// How often it went through all jobs.
    var roundCount: Int { rounds.load(ordering: .relaxed) }

    /// Waits until it has gone through all jobs so many times more, so that it has seen what is so now.
    func waitRounds(_ count: Int = 2) -> Bool {
        let goal = roundCount + count
        return eventually(timeout: .seconds(20), every: .microseconds(100)) {
            roundCount >= goal || ended.load(ordering: .acquiring)
        } && roundCount >= goal
    }

    /// Ends the thread and gives what it saw: the verdicts by job, and an error if there was one.
    @discardableResult
    func stop() -> (verdicts: [Set<Int32>], failure: String?) {
        stopping.store(true, ordering: .relaxed)
        _ = eventually(timeout: .seconds(20)) { ended.load(ordering: .acquiring) }
        return state.withLock { ($0.verdicts, $0.failure) }
    }
}
