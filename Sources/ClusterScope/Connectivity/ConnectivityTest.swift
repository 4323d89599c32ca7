// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// Makes pods that ask and pods that answer, puts one scenario's policies after the other in front of them, and looks
/// whether the right ones get through. All through the API server.
package struct ConnectivityTest: Sendable {
    private let client: APIClient
    private let settings: ConnectivitySettings
    private let scenarios: [Scenario]
    private let bed: TestBed
    private let say: @Sendable (String) -> Void

    /// - Parameter say: gets progress, line by line.
    package init(
        _ client: APIClient, settings: ConnectivitySettings, scenarios: [Scenario],
        say: @escaping @Sendable (String) -> Void
    ) {
        self.client = client
        self.settings = settings
        self.scenarios = scenarios
        self.say = say
        bed = TestBed(client: client, settings: settings)
    }

    /// Runs to the end, or until its task is cancelled; then it cleans up all the same, unless it is to keep everything.
    package func run() async -> ConnectivityReport {
        var report = ConnectivityReport()
        var made: Topology?
        do {
            var topology = try await bed.survey()
            say(
                "nodes: \(topology.nodes.map(\.name).joined(separator: ", ")); namespaces \(topology.namespace), "
                    + "\(topology.otherNamespace); image \(settings.image)")
            try await bed.clear(topology)
            made = topology
            try await bed.start(&topology)
            let questions = Self.questions(scenarios, topology)
            try await bed.start(questions, topology)
            say("pods are ready; \(scenarios.count) scenarios")
            try await run(topology, questions, into: &report)
        } catch {
            report.problem = Task.isCancelled ? "it was interrupted" : "\(error)"
        }
        if let made, !settings.keeps {
            say("cleaning up")
            // Also when this task is cancelled.
            report.leftovers = await Task { await bed.remove(made) }.value
        } else if let made {
            say("left there: the namespaces \(made.namespace) and \(made.otherNamespace)")
        }
        return report
    }

    /// For each prober, all that it will be asked for in any of the scenarios that can be run.
    package static func questions(_ scenarios: [Scenario], _ topology: Topology) -> [Prober: [Question]] {
        var questions: [Prober: [Question]] = [:]
        for scenario in scenarios where scenario.obstacle(topology) == nil {
            for expectation in scenario.expectations {
                for question in topology.questions(expectation.to)
                where !(questions[expectation.from]?.contains(question) ?? false) {
                    questions[expectation.from, default: []].append(question)
                }
            }
        }
        return questions
    }

    private func run(
        _ topology: Topology, _ questions: [Prober: [Question]], into report: inout ConnectivityReport
    ) async throws {
        let width = scenarios.reduce(0) { max($0, $1.name.count) }
        for (index, scenario) in scenarios.enumerated() {
            var result = ConnectivityReport.Result(
                scenario: scenario.name, about: scenario.about, outcome: .skipped, seconds: 0)
            if let obstacle = scenario.obstacle(topology) {
                result.notes = [obstacle]
            } else {
                let began = ContinuousClock.now
                try await run(scenario, topology, questions, &result)
                let took = began.duration(to: .now).components
                result.seconds = Double(took.seconds) + Double(took.attoseconds) / 1e18
            }
            report.results.append(result)
            say(result.text(number: index + 1, of: scenarios.count, width: width))
            // What is left of this one would be in the way of the next.
            if settings.keeps, result.outcome == .failed { return }
        }
    }

    /// Throws if the task is cancelled only: anything else that goes wrong is the scenario's failure.
    private func run(
        _ scenario: Scenario, _ topology: Topology, _ questions: [Prober: [Question]],
        _ result: inout ConnectivityReport.Result
    ) async throws {
        let deadline = ContinuousClock.now + settings.timeout
        var judge = Judge(scenario.expectations, questions: questions)
        result.allowed = judge.allowed
        result.refused = judge.refused
        let objects = scenario.objects(topology)
        let unknown = scenario.expectations.map(\.to).first { topology.questions($0).isEmpty }
        if let unknown {
            result.notes = ["\(unknown) has no address of a family that pods have"]
            result.outcome = .failed
            return
        }
        do {
            for object in objects { try await create(object) }
            var unsettled: [String] = []
            repeat {
                unsettled = try await notInForce(objects)
                if unsettled.isEmpty { break }
                try await Task.sleep(for: settings.pause)
            } while .now < deadline
            result.notes = unsettled
            if unsettled.isEmpty { result.notes = try await watch(&judge, topology, deadline) }
        } catch {
            result.notes = ["\(error)"]
        }
        try Task.checkCancellation()
        if !settings.keeps || result.notes.isEmpty {
            do {
                for object in objects { try await delete(object) }
            } catch {
                result.notes.append("its objects can't be deleted: \(error)")
            }
        }
        result.outcome = result.notes.isEmpty ? .passed : .failed
    }

    /// What is still not as expected at the deadline.
    private func watch(
        _ judge: inout Judge, _ topology: Topology, _ deadline: ContinuousClock.Instant
    ) async throws -> [String] {
        var problem: String?
        repeat {
            problem = nil
            for prober in judge.probers {
                do {
                    let log = try await client.log(
                        ofPod: prober.rawValue, namespace: prober.namespace(topology), LogSelection(lines: 400))
                    judge.take(ProbeLog(String(decoding: log, as: UTF8.self)), of: prober)
                } catch let error as KubeError {
                    problem = "\(error)"
                }
            }
            if judge.isDone { return [] }
            try await Task.sleep(for: settings.pause)
        } while .now < deadline
        return judge.mistakes.map(\.description) + [problem].compactMap(\.self)
    }

    // MARK: Objects

    private func create(_ object: Scenario.Object) async throws {
        let resource = Resource<KubeDocument>(object.kind)
        _ = try await client.create(resource, object.document, namespace: object.document.metadata.namespace)
    }

    private func delete(_ object: Scenario.Object) async throws {
        let metadata = object.document.metadata
        try await client.delete(Resource<KubeDocument>(object.kind), metadata.name, namespace: metadata.namespace)
    }

    /// What agents say of the policies, those of kinds that have a status.
    private func notInForce(_ objects: [Scenario.Object]) async throws -> [String] {
        var notes: [String] = []
        for object in objects where object.hasStatus {
            let metadata = object.document.metadata
            let policy = try await client.get(
                Resource<ObservedPolicy>(object.kind), metadata.name, namespace: metadata.namespace)
            let name = "\(object.kind.kind) \(metadata.key)"
            switch policy.state {
            case .enforced: continue
            case .invalid(let why): throw ConnectivityProblem("\(name) is refused: \(why)")
            case .notEnforced(let why): notes.append("\(name) is not enforced: \(why)")
            case .unsaid: notes.append("\(name): no agent has said that it is in force")
            }
        }
        return notes
    }
}
