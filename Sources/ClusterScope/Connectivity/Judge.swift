// SPDX-License-Identifier: Apache-2.0

/// Says of a scenario whether the probers see what is expected.
///
/// A prober agrees when its last two rounds, both begun after the scenario's objects were in place, have every answer
/// right: one round could have been lucky.
package struct Judge: Sendable {
    /// An answer that is not as expected.
    package struct Mistake: Hashable, Sendable {
        package let from: Prober
        package let question: Question
        package let isAllowed: Bool
        /// nil: none yet.
        package let answer: Answer?
    }

    private struct Expected: Sendable {
        let number: Int
        let question: Question
        let isAllowed: Bool
    }

    private static let agreeing = 2
    private let expected: [Prober: [Expected]]
    /// Rounds up to this one began too early.
    private var baselines: [Prober: Int] = [:]
    private var mistakesOf: [Prober: [Mistake]] = [:]
    private var agreed: Set<Prober> = []

    /// - Parameter questions: all of each prober, in the order of their numbers.
    package init(_ expectations: [Expectation], questions: [Prober: [Question]]) {
        var expected: [Prober: [Expected]] = [:]
        for expectation in expectations {
            for (number, question) in (questions[expectation.from] ?? []).enumerated()
            where question.target == expectation.to {
                expected[expectation.from, default: []].append(
                    Expected(number: number, question: question, isAllowed: expectation.isAllowed))
            }
        }
        self.expected = expected
    }

    /// Those whose logs have to be read.
    package var probers: [Prober] { Prober.allCases.filter { expected[$0] != nil } }
    package var allowed: Int { expected.values.joined().count { $0.isAllowed } }
    package var refused: Int { expected.values.joined().count { !$0.isAllowed } }
    package var isDone: Bool { agreed.count == expected.count }
    /// Of the probers' last rounds.
    package var mistakes: [Mistake] {
        probers.filter { !agreed.contains($0) }.flatMap { prober in
            mistakesOf[prober] ?? (expected[prober] ?? []).map { Self.mistake(prober, $0, nil) }
        }
    }

    /// Only what begins after `log` counts. Without a log, the next one says.
    package mutating func begin(_ prober: Prober, after log: ProbeLog) {
        baselines[prober] = log.lastBegun
    }

    package mutating func take(_ log: ProbeLog, of prober: Prober) {
        guard let expected = expected[prober] else { return }
        guard let baseline = baselines[prober] else {
            begin(prober, after: log)
            return
        }
        let rounds = log.complete.filter { $0.number > baseline }.suffix(Self.agreeing)
        guard let last = rounds.last else { return }
        let isAgreed =
            rounds.count == Self.agreeing && rounds.allSatisfy { Self.mistakes(prober, expected, $0).isEmpty }
        if isAgreed { agreed.insert(prober) } else { agreed.remove(prober) }
        // The last round may be right, and the one before it not.
        let mistakes = Self.mistakes(prober, expected, last)
        mistakesOf[prober] = mistakes.isEmpty ? rounds.first.map { Self.mistakes(prober, expected, $0) } : mistakes
    }

    private static func mistakes(_ prober: Prober, _ expected: [Expected], _ round: ProbeLog.Round) -> [Mistake] {
        expected.compactMap { one in
            let answer = round.answers[one.number]
            return answer?.meets(one.isAllowed) ?? false ? nil : mistake(prober, one, answer)
        }
    }

    private static func mistake(_ prober: Prober, _ expected: Expected, _ answer: Answer?) -> Mistake {
        Mistake(from: prober, question: expected.question, isAllowed: expected.isAllowed, answer: answer)
    }
}

extension Judge.Mistake: CustomStringConvertible {
    package var description: String {
        let seen =
            switch answer {
            case .yes: "answers"
            case .no: "does not answer"
            case .half: "takes the connection and says nothing"
            case .unable: "can't be asked: the image has no program for it"
            case nil: "has not been asked yet"
            }
        let place = question.port == 0 ? question.address : "\(question.address) port \(question.port)"
        return
            "\(from.rawValue) -> \(question.target) (\(place)) \(seen), should be \(isAllowed ? "allowed" : "refused")"
    }
}
