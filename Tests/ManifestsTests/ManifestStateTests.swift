// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding
import Testing

@testable import Manifests

@Suite struct ManifestStateTests {
    /// "a b2" is pod a, and pod b with label v=2; "!" is a broken document; each in a line of its own.
    private func file(_ name: String, _ content: String) -> ManifestState.Update {
        var decoded = DecodedFile()
        for (index, word) in content.split(separator: " ").enumerated() {
            if word == "!" {
                decoded.errors.append(ManifestError(file: name, line: index + 1, message: "broken"))
            } else {
                let pod = Pod(
                    namespace: "ns", name: String(word.prefix(1)),
                    labels: word.count > 1 ? ["v": String(word.dropFirst())] : [:])
                decoded.objects.append(PlacedObject(.pod(pod), line: index + 1, column: 1))
            }
        }
        return .decoded(decoded)
    }

    private func words(_ changes: [ResourceChange]) -> [String] {
        changes.map { change in
            guard case .pod(let reference, let pod) = change else { return "?" }
            return pod.map { $0.name + ($0.labels["v"] ?? "") } ?? "-\(reference.name)"
        }
    }

    private func inForce(_ state: ManifestState) -> String {
        words(state.objects.map { ResourceChange($0) }).joined(separator: " ")
    }

    /// Contents of x.yaml one after the other, and what is in force after each.
    @Test(arguments: [
        (["a b", "a"], ["a b", "a"]),
        (["a b", "a2 c"], ["a b", "a2 c"]),
        (["a b", "!"], ["a b", "a b"]),
        (["a b", "a2 !"], ["a b", "a2 b"]),
        (["a b", "! c"], ["a b", "a b c"]),
        (["a b", "! c", "c"], ["a b", "a b c", "c"]),
        (["!", "a"], ["", "a"]),
        (["a b", "a !", "a b"], ["a b", "a b", "a b"]),
        (["a b c", "a !", "! b2"], ["a b c", "a b c", "a b2 c"]),
    ])
    func `a broken document keeps in force what it may stand for`(contents: [String], expected: [String]) {
        var state = ManifestState()
        var seen: [String: String] = [:]
        for (content, expected) in zip(contents, expected) {
            let changes = state.apply(["x.yaml": file("x.yaml", content)])
            for word in words(changes) {
                if word.hasPrefix("-") {
                    seen[String(word.dropFirst())] = nil
                } else {
                    seen[String(word.prefix(1))] = word
                }
            }
            #expect(inForce(state) == expected, "after \(content)")
            #expect(seen.values.sorted().joined(separator: " ") == expected, "the changes add up")
            #expect(state.isWhole("x.yaml") == !content.contains("!"))
        }
    }

    @Test func `a file in which nothing is left keeps what it defined, and says so`() {
        var state = ManifestState()
        _ = state.apply(["x.yaml": file("x.yaml", "a b")])
        #expect(state.apply(["x.yaml": file("x.yaml", "")]).isEmpty)
        #expect(inForce(state) == "a b")
        #expect(state.errors.count == 1)
        #expect(!state.isWhole("x.yaml"))
        _ = state.apply(["x.yaml": file("x.yaml", "a")])
        #expect(inForce(state) == "a")
        #expect(state.errors.isEmpty)
    }

    @Test func `only differences are told, removals last`() {
        var state = ManifestState()
        #expect(words(state.apply(["x": file("x", "a b c")])) == ["a", "b", "c"])
        #expect(words(state.apply(["x": file("x", "a b c")])) == [])
        #expect(words(state.apply(["x": file("x", "c a")])) == ["-b"])
        #expect(words(state.apply(["x": file("x", "a d c2")])) == ["c2", "d"])
        #expect(words(state.apply(["x": file("x", "d")])) == ["-a", "-c"])
    }

    @Test func `namespaces come before pods, and pods before policies`() {
        var state = ManifestState()
        let objects: [DecodedObject] = [
            .networkPolicy(NetworkPolicy(namespace: "a", name: "a")), .pod(Pod(namespace: "b", name: "b")),
            .namespace(Namespace(name: "z")),
        ]
        let decoded = DecodedFile(objects: objects.map { PlacedObject($0, line: 1, column: 1) })
        _ = state.apply(["x": .decoded(decoded)])
        #expect(state.objects.map(\.reference.kind) == ["Namespace", "Pod", "NetworkPolicy"])
    }

    @Test func `a file that goes takes its objects along, broken or not`() {
        var state = ManifestState()
        _ = state.apply(["x": file("x", "a b"), "y": file("y", "c !")])
        #expect(words(state.apply(["x": .gone, "y": .gone])) == ["-a", "-b", "-c"])
        #expect(state.errors.isEmpty)
        #expect(words(state.apply(["x": .gone])) == [])
    }

    @Test func `an unreadable file changes nothing`() {
        var state = ManifestState()
        _ = state.apply(["x": file("x", "a")])
        #expect(words(state.apply(["x": .unreadable("no"), "y": .unreadable("never")])) == [])
        #expect(inForce(state) == "a")
        #expect(state.errors.map(\.description) == ["x: no", "y: never"])
        #expect(!state.isWhole("x"))
        #expect(words(state.apply(["x": file("x", "b")])) == ["b", "-a"])
    }

    @Test func `an object defined twice in a file is the first one`() {
        var state = ManifestState()
        #expect(words(state.apply(["x": file("x", "a1 b a2")])) == ["a1", "b"])
        #expect(
            state.errors.map(\.description) == ["x:3: Pod ns/a: x:1 defines it too, and is what stays in force"])
        #expect(words(state.apply(["x": file("x", "b a2")])) == ["a2"])
        #expect(state.errors.isEmpty)
    }

    @Test func `an object defined in two files is the one that was there`() {
        var state = ManifestState()
        _ = state.apply(["y": file("y", "b a1")])
        #expect(words(state.apply(["x": file("x", "a2 c")])) == ["c"], "though x comes before y")
        #expect(state.errors.map(\.description) == ["x:1: Pod ns/a: y:2 defines it too, and is what stays in force"])
        #expect(!state.isWhole("x") && state.isWhole("y"))
        #expect(words(state.apply(["y": file("y", "a3")])) == ["a3", "-b"])
        #expect(state.errors.map(\.description) == ["x:1: Pod ns/a: y:1 defines it too, and is what stays in force"])
        #expect(words(state.apply(["y": .gone])) == ["a2"], "and takes over when that goes")
        #expect(state.errors.isEmpty && state.isWhole("x"))
    }

    @Test func `of files read together the first by name defines the object`() {
        var state = ManifestState()
        #expect(words(state.apply(["y": file("y", "a1"), "x": file("x", "a2")])) == ["a2"])
        #expect(state.errors.map(\.file) == ["y"])
        #expect(words(state.apply(["x": file("x", "b")])) == ["a1", "b"])
    }

    @Test func `an object that moves to another file is never gone`() {
        var state = ManifestState()
        _ = state.apply(["y": file("y", "a b")])
        #expect(words(state.apply(["y": file("y", "b"), "x": file("x", "a")])) == [])
        #expect(state.errors.isEmpty)
        #expect(words(state.apply(["x": .gone, "z": file("z", "a")])) == [])
        #expect(inForce(state) == "a b")
    }
}
