// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ClusterScope

@Suite struct ProbeLogTests {
    @Test func `answers of both forms are read`() throws {
        let log = ProbeLog(
            """
            begin 4
            = 4 200 0.000512 http://10.0.0.9:8080/?q=0
            = 4 000 0.000000 http://[fd00::9]:8080/?q=1
            = 4 000 0.001000 http://10.0.0.9:9090/?q=2
            = 4 3 yes
            = 4 4 no
            = 4 5 unable
            = 4 400 0.1 http://10.0.0.9:10250/?q=6
            end 4

            """)
        let round = try #require(log.complete.first)
        #expect(round.answers == [0: .yes, 1: .no, 2: .half, 3: .yes, 4: .no, 5: .unable, 6: .yes])
        #expect(log.lastBegun == 4)
    }

    @Test func `rounds without a beginning or an end don't count, but are seen to have begun`() {
        let log = ProbeLog("= 1 0 yes\nend 1\nbegin 2\n= 2 0 no\nend 2\nbegin 3\n= 3 0 ye")
        #expect(log.complete.map(\.number) == [2])
        #expect(log.lastBegun == 3)
    }

    @Test func `other lines are left alone`() {
        let log = ProbeLog(
            "begin 1\nsh: oops\n= 9 0 yes\n= 1 x yes\n= 1 200 x http://a/?q=0\n= 1 200 0.1 http://a/\nend 1")
        #expect(log.complete == [ProbeLog.Round(number: 1, answers: [:])])
    }
}

@Suite struct JudgeTests {
    private let near = Question(target: .echo(.near, .http), kind: .tcp, address: "10.0.0.1", port: 8_080)
    private let far = Question(target: .echo(.far, .http), kind: .tcp, address: "10.0.0.2", port: 8_080)

    /// The client reaches the near pod and not the far one.
    private func judge(_ probers: [Prober] = [.client]) -> Judge {
        let expectations = probers.flatMap { prober in
            [
                Expectation(from: prober, to: near.target, isAllowed: true),
                Expectation(from: prober, to: far.target, isAllowed: false),
            ]
        }
        return Judge(expectations, questions: Dictionary(uniqueKeysWithValues: probers.map { ($0, [near, far]) }))
    }

    /// Rounds from `first` on, each with its answers to both questions.
    private func log(_ first: Int, _ rounds: [(String, String)], begun: Int? = nil) -> ProbeLog {
        var text = ""
        for (index, round) in rounds.enumerated() {
            let number = first + index
            text += "begin \(number)\n= \(number) 0 \(round.0)\n= \(number) 1 \(round.1)\nend \(number)\n"
        }
        return ProbeLog(text + (begun.map { "begin \($0)\n" } ?? ""))
    }

    @Test func `two right rounds that began after the objects are enough`() {
        var judge = judge()
        judge.take(log(5, [("yes", "no"), ("yes", "no")], begun: 7), of: .client)
        #expect(!judge.isDone, "all of that began before")
        judge.take(log(6, [("yes", "no"), ("yes", "no")]), of: .client)
        #expect(!judge.isDone, "round 7 was under way already")
        judge.take(log(6, [("yes", "no"), ("yes", "no"), ("yes", "no")]), of: .client)
        #expect(!judge.isDone, "one is not enough")
        judge.take(log(8, [("yes", "no"), ("yes", "no")]), of: .client)
        #expect(judge.isDone)
        #expect(judge.mistakes.isEmpty)
    }

    @Test(arguments: [("no", "no"), ("yes", "yes"), ("yes", "unable")])
    func `a wrong answer in either round is a mistake`(wrong: (String, String)) {
        for rounds in [[wrong, ("yes", "no")], [("yes", "no"), wrong]] {
            var judge = judge()
            judge.take(log(1, []), of: .client)
            judge.take(log(1, rounds), of: .client)
            #expect(!judge.isDone)
            #expect(judge.mistakes.count == 1)
        }
    }

    @Test func `what was right and is wrong again does not pass`() {
        var judge = judge([.client, .stranger])
        for prober in [Prober.client, .stranger] { judge.take(log(1, []), of: prober) }
        judge.take(log(1, [("yes", "no"), ("yes", "no")]), of: .client)
        judge.take(log(3, [("yes", "yes")]), of: .client)
        judge.take(log(1, [("yes", "no"), ("yes", "no")]), of: .stranger)
        #expect(!judge.isDone)
        #expect(judge.mistakes.map(\.from) == [.client])
        #expect(
            judge.mistakes.first?.description
                == "client -> echo-far tcp 8080 (10.0.0.2 port 8080) answers, should be refused")
    }

    @Test func `a prober of which nothing is heard has not been asked`() {
        let judge = judge()
        #expect(judge.mistakes.map(\.answer) == [nil, nil])
        #expect((judge.allowed, judge.refused) == (1, 1))
        #expect(!judge.isDone)
    }

    @Test func `a connection without an answer is neither allowed nor refused`() {
        #expect(!Answer.half.meets(true))
        #expect(!Answer.half.meets(false))
        #expect(Answer.no.meets(false))
        #expect(!Answer.unable.meets(false))
    }
}

@Suite struct ConnectivityReportTests {
    private func result(_ outcome: ConnectivityReport.Outcome, notes: Int = 0) -> ConnectivityReport.Result {
        .init(
            scenario: "name", about: "", outcome: outcome, seconds: 1.25, allowed: 2, refused: 3,
            notes: (0..<notes).map { "note \($0)" })
    }

    @Test func `a line says what came of a scenario`() {
        #expect(
            result(.passed).text(number: 3, of: 12, width: 6) == "[ 3/12] name    ok      1.3 s, 2 allowed, 3 refused")
        #expect(result(.skipped, notes: 1).text(number: 12, of: 12, width: 4) == "[12/12] name  skipped: note 0")
    }

    @Test func `of a long failure, the beginning is shown`() {
        let lines = result(.failed, notes: 20).text(number: 1, of: 1, width: 4).split(separator: "\n")
        #expect(lines.count == 10)
        #expect(lines.last == "        and 12 more")
        #expect(result(.failed, notes: 8).text(number: 1, of: 1, width: 4).split(separator: "\n").count == 9)
    }

    @Test func `success takes a scenario that passed, none that failed, and nothing left`() {
        var report = ConnectivityReport()
        #expect(!report.isSuccess, "nothing was run")
        report.results = [result(.passed), result(.skipped)]
        #expect(report.isSuccess)
        var other = report
        other.leftovers = ["namespace t"]
        #expect(!other.isSuccess)
        other = report
        other.problem = "it was interrupted"
        #expect(!other.isSuccess)
        other = report
        other.results.append(result(.failed))
        #expect(!other.isSuccess)
        #expect(other.summary.contains("failed: name"))
    }
}
