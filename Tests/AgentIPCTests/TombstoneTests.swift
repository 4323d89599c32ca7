// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Foundation
import Testing

@Suite struct TombstoneTests {
    private let endpoint = AttachmentReference(containerID: "c0ffee", interface: "eth0")

    private func withRunDirectory(_ body: (String) throws -> Void) throws {
        let directory = NSTemporaryDirectory() + "skein-run-" + UUID().uuidString.prefix(8)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    @Test func `is written with its folders, read, and taken back once`() throws {
        try withRunDirectory { run in
            let tombstone = Tombstone(endpoint)
            try tombstone.write(in: run)
            try tombstone.write(in: run)
            let folder = Tombstone.directory(in: run)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["c0ffee-eth0.json"])
            let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/c0ffee-eth0.json"))
            #expect(String(decoding: data, as: UTF8.self) == #"{"containerID":"c0ffee","interface":"eth0"}"#)
            #expect(try Tombstone(decoding: Array(data)).endpoint == endpoint)
            #expect(tombstone.takeBack(in: run))
            #expect(!tombstone.takeBack(in: run))
        }
    }

    @Test func `a folder that can't be made is named`() {
        #expect(throws: TombstoneError(path: "/proc/self/run", errno: ENOENT)) {
            try Tombstone(endpoint).write(in: "/proc/self/run")
        }
    }

    @Test func `a file's name says whose it is`() {
        for pair in [("a-b", "c"), ("a", "b-c"), ("a", "b%2Dc"), ("a", "b/c"), ("c0ffee", "eth0")] {
            let endpoint = AttachmentReference(containerID: pair.0, interface: pair.1)
            #expect(Tombstone.endpoint(ofFile: Tombstone(endpoint).fileName) == endpoint)
            #expect(Tombstone.endpoint(ofFile: Tombstone(endpoint, attempt: "7").fileName) == nil)
        }
        for name in ["x.json", "-eth0.json", "a-eth0", "a-b%2fc.json", "a-%.json", ".a-eth0.json.tmp"] {
            #expect(Tombstone.endpoint(ofFile: name) == nil, "\(name)")
        }
    }

    @Test func `no two endpoints share a file`() {
        let names = [
            ("a-b", "c"), ("a", "b-c"), ("a", "b%2Dc"), ("a", "b%c"), ("a", "b/c"), ("a", "b"), ("a", "b%"),
            ("a", "b%.b"),
        ].flatMap { pair in
            [nil, "b", "25"].map { attempt in
                Tombstone(AttachmentReference(containerID: pair.0, interface: pair.1), attempt: attempt).fileName
            }
        }
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { !$0.contains("/") && !$0.hasPrefix(".") })
    }
}

@Suite struct NameTests {
    @Test(arguments: [
        ("c0ffee", "eth0", "skn"), ("", "", "skn"), (String(repeating: "f", count: 64), "net1", "skn"),
    ])
    func `host interface names fit the kernel`(containerID: String, interface: String, prefix: String) {
        let name = AttachmentReference(containerID: containerID, interface: interface).hostInterfaceName
        #expect(name.hasPrefix(prefix))
        #expect(name.utf8.count == 14)
        #expect(name.dropFirst(3).allSatisfy { $0.isHexDigit && !$0.isUppercase })
    }

    @Test func `host interface names are the same in every release`() {
        let name = AttachmentReference(containerID: "c0ffee", interface: "eth0").hostInterfaceName
        #expect(name == "skn57169c51c07")
    }

    @Test func `host interface names differ`() {
        var names: Set<String> = []
        for i in 0..<20_000 {
            names.insert(AttachmentReference(containerID: "\(i)", interface: "eth0").hostInterfaceName)
            names.insert(AttachmentReference(containerID: "a", interface: "eth\(i)").hostInterfaceName)
        }
        names.insert(AttachmentReference(containerID: "ab", interface: "c").hostInterfaceName)
        names.insert(AttachmentReference(containerID: "a", interface: "bc").hostInterfaceName)
        #expect(names.count == 40_002)
    }

    @Test(arguments: [
        ("abc-._~09Z", "abc-._~09Z"), ("a/b?c=d&e#f", "a%2Fb%3Fc%3Dd%26e%23f"), ("100%", "100%25"),
        ("ü\n", "%C3%BC%0A"),
    ])
    func `paths are percent-encoded`(text: String, encoded: String) {
        #expect(APIPath.encode(text) == encoded)
        #expect(
            AttachmentReference(containerID: text, interface: "eth0").path == "/v1/endpoints/\(encoded)/eth0")
    }
}
