// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Testing

struct AddAttemptTests {
    @Test func `later calls come after earlier ones, and none has another's name`() {
        let names = (1...100).map { _ in AddAttempt.name() }
        #expect(Set(names).count == names.count)
        #expect(names.map { $0.prefix(16) }.sorted() == names.map { $0.prefix(16) })
    }

    @Test func `a name says how long ago its call began`() throws {
        let name = AddAttempt.name()
        let age = try #require(AddAttempt.age(of: name))
        #expect(age < 10_000)
        // A second earlier.
        let began = try #require(UInt64(name.prefix(16), radix: 16)) - 1_000_000_000
        let digits = String(began, radix: 16)
        let earlier = String(repeating: "0", count: 16 - digits.count) + digits + name.suffix(16)
        #expect((1_000..<11_000).contains(try #require(AddAttempt.age(of: earlier))))
    }

    @Test(arguments: ["", "1a", String(repeating: "x", count: 32), String(repeating: "f", count: 32)])
    func `names of other kinds, and of a time to come, do not`(name: String) {
        #expect(AddAttempt.age(of: name) == nil)
    }

    @Test func `times of ADD have a median, a p99 and a longest`() {
        #expect(AddTimes([]) == nil)
        let one = AddTimes([7])
        #expect(one?.count == 1 && one?.median == 7 && one?.p99 == 7 && one?.longest == 7)
        let many = AddTimes((1...200).reversed().map { UInt32($0) })
        #expect(many?.count == 200 && many?.median == 100 && many?.p99 == 198 && many?.longest == 200)
    }
}
