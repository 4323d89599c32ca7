// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import BenchReport
import KubeClient
import NetTypes

/// The run itself.
struct Measure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Change pods of a cluster and watch its agent follow; print a table.")

    @OptionGroup var connection: Connection
    @OptionGroup var sizes: Sizes
    @Option(help: "Process of the agent.") var agent: Int32
    @Option(help: "Process of the operator, if there is one.") var `operator`: Int32?
    @Option(help: "The agent's folder in a bpffs.") var bpffs: String
    @Option(help: "A device here by which all goes that the agent receives.") var link: String?
    @Option(help: "Changes of pods in a second.") var changes = 50
    @Option(help: "Seconds of them.") var seconds = 90
    @Option(help: "How long the first agent took to be ready, seconds.") var firstStart: Double
    @Option(help: "How long an agent took that found pods there, seconds.") var restart: Double
    @Option(help: "Also write the rows as a JSON array to this file.") var out: String?

    private struct Counts {
        let agent: ProcessUse
        let `operator`: ProcessUse?
        let received: Double
    }

    func run() async throws {
        let world = World(sizes)
        var report = Report()
        report.add("agent, first start to ready", firstStart, "s", goal: .atMost(5))
        report.add("agent, started again, with \(world.localPods) pods", restart, "s", goal: .atMost(5))
        let settled = try await untilQuiet()
        report.add("agent, processor time until it had nothing to do", settled.time, "s")
        report.add("agent, resident before the changes", settled.resident / 1e6, "MB", goal: .atMost(150))
        let watch = try MapWatch(pins: bpffs)
        let watching = Task.detached { try await watch.run() }
        try await connection.withClient { client in
            let churn = Churn(client, world, watch)
            let before = try counts()
            let start = ContinuousClock.now
            await churn.run(perSecond: changes, for: .seconds(seconds))
            let after = try counts()
            let time = Seconds(start.duration(to: .now)).value
            let end = ContinuousClock.now + MapWatch.patience + .seconds(1)
            while watch.openCount > 0, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(20)) }
            watching.cancel()
            try await watching.value
            for failure in churn.failures.prefix(3) { print("   a change failed: \(failure)") }
            addLatencies(churn, watch, time, &report)
            addUse(before, after, time, &report)
            try addRows(churn, watch, &report)
        }
        report.printTable()
        if let out { try report.writeJSON(to: out) }
        let missed = report.rows.count { $0.ok == false }
        if missed > 0 {
            print("\n\(missed) of \(report.rows.count { $0.ok != nil }) goals missed")
            throw ExitCode(1)
        }
    }

    private func counts() throws -> Counts {
        Counts(
            agent: try ProcessUse(of: agent), operator: try `operator`.map { try ProcessUse(of: $0) },
            received: link.flatMap { LinkUse.sent(by: $0) } ?? 0)
    }

    /// After a start the agent still tells the cluster of every policy that it is in force.
    private func untilQuiet() async throws -> ProcessUse {
        var last = try ProcessUse(of: agent)
        var quiet = 0
        for _ in 0..<180 where quiet < 3 {
            try await Task.sleep(for: .seconds(1))
            let now = try ProcessUse(of: agent)
            quiet = now.time - last.time < 0.03 ? quiet + 1 : 0
            last = now
        }
        return last
    }

    private func addLatencies(_ churn: Churn, _ watch: MapWatch, _ time: Double, _ report: inout Report) {
        let latencies = watch.latencies, answers = churn.answers
        report.add("changes of pods", Double(answers.count) / time, "in a second")
        func add(_ name: String, _ share: Double, _ limit: Double) {
            report.add(
                "change to row, \(name)", percentile(latencies, share), "ms",
                peer: ("the API server's answer", percentile(answers, share)), goal: .atMost(limit))
        }
        add("median", 0.5, 50)
        add("p99", 0.99, 500)
        report.add("change to row, longest", latencies.max() ?? .nan, "ms")
        report.add("changes that failed", Double(churn.failures.count), "changes", goal: .atMost(0))
        report.add("rows that did not come in 10 s", Double(watch.lost.count), "rows", goal: .atMost(0))
    }

    private func addUse(_ before: Counts, _ after: Counts, _ time: Double, _ report: inout Report) {
        report.add(
            "agent, processor", 100 * (after.agent.time - before.agent.time) / time, "% of one", goal: .atMost(20))
        report.add("agent, resident", after.agent.resident / 1e6, "MB", goal: .atMost(150))
        report.add("agent, resident, its share of what is shared", after.agent.proportional / 1e6, "MB")
        report.add("agent, resident at most since its start", after.agent.peak / 1e6, "MB")
        if link != nil {
            report.add("agent, received", (after.received - before.received) / time / 1e3, "kB in a second")
        }
        if let old = before.operator, let new = after.operator {
            report.add("operator, processor", 100 * (new.time - old.time) / time, "% of one")
            report.add("operator, resident", new.resident / 1e6, "MB")
            report.add("operator, resident at most", new.peak / 1e6, "MB")
        }
    }

    /// Every row of the map against every pod of other nodes that there is now.
    private func addRows(_ churn: Churn, _ watch: MapWatch, _ report: inout Report) throws {
        var wanted: [IPAddress: UInt32] = [:]
        for pod in churn.pods { for address in pod.addresses { wanted[address] = pod.identity } }
        let rows = try watch.rows()
        let wrong = wanted.count { rows[$0.key] != $0.value }
        let foreign = rows.keys.count { wanted[$0] == nil && World.isPodAddress($0) }
        report.add("rows in the map", Double(rows.count), "rows")
        report.add("rows wrong, missing or left over at the end", Double(wrong + foreign), "rows", goal: .atMost(0))
    }
}
