// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import Model

@Suite struct EndpointClaimsTests {
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func node(_ name: String, at addresses: [String] = [], _ ranges: [String]) throws -> ClusterNode {
        ClusterNode(
            name: name, addresses: try addresses.map(address),
            podRanges: try ranges.map { try #require(Prefix($0)) })
    }

    private func endpoint(_ addresses: [String], _ identity: IdentityNumber = 300, pod: String = "web") throws
        -> ClusterEndpoint
    {
        ClusterEndpoint(
            addresses: try addresses.map(address), identity: identity, namespace: "default", podName: pod)
    }

    private func slice(_ node: String, _ addresses: String..., identity: IdentityNumber = 300) throws -> EndpointSlice {
        EndpointSlice(node: node, endpoints: try addresses.map { try endpoint([$0], identity) })
    }

    private func texts(_ changes: [EndpointClaims.Change]) -> [String] {
        changes.map { change in
            "\(change.address) " + (change.claim.map { "\($0.node) \($0.endpoint.identity)" } ?? "-")
        }
    }

    private func problems(_ claims: EndpointClaims) -> [String] { claims.problems().map(\.description) }

    @Test func `what lies in the node's own ranges is believed, of both families`() throws {
        var claims = EndpointClaims()
        let told = EndpointSlice(node: "a", endpoints: [try endpoint(["10.0.1.5", "fd00:1::5"])])
        let changes = claims.update([
            .node("a", try node("a", ["10.0.1.0/24", "fd00:1::/64"])), .endpointSlice("a-0", told),
        ])
        #expect(texts(changes) == ["10.0.1.5 a 300", "fd00:1::5 a 300"] || changes.count == 2)
        #expect(claims[try address("10.0.1.5")]?.endpoint == told.endpoints[0])
        #expect(claims[try address("10.0.1.6")] == nil)
        #expect(claims.problems().isEmpty)
        #expect(claims.update(slices: [("a-0", told)]).isEmpty)
        #expect(claims.update(slices: [("a-0", nil)]).allSatisfy { $0.claim == nil })
        #expect(claims.count == 0)
    }

    @Test func `a slice waits for its node, and loses what the node loses`() throws {
        var claims = EndpointClaims()
        #expect(claims.update(slices: [("a-0", try slice("a", "10.0.1.5", "10.0.2.5"))]).isEmpty)
        #expect(
            problems(claims) == [
                "SkeinEndpointSlice a-0: 10.0.1.5 is claimed for node a, which there is not",
                "SkeinEndpointSlice a-0: 10.0.2.5 is claimed for node a, which there is not",
            ])
        #expect(
            texts(claims.update(nodes: [("a", try node("a", ["10.0.1.0/24", "10.0.2.0/24"]))]))
                == ["10.0.1.5 a 300", "10.0.2.5 a 300"])
        #expect(texts(claims.update(nodes: [("a", try node("a", ["10.0.1.0/24"]))])) == ["10.0.2.5 -"])
        #expect(problems(claims) == ["SkeinEndpointSlice a-0: 10.0.2.5 is not in the pod ranges of node a"])
        #expect(texts(claims.update(nodes: [("a", nil)])) == ["10.0.1.5 -"])
    }

    @Test func `another node's addresses are not believed, and its own claims stand`() throws {
        var claims = EndpointClaims()
        claims.update([
            .node("a", try node("a", ["10.0.1.0/24"])), .node("b", try node("b", ["10.0.2.0/24"])),
            .endpointSlice("b-0", try slice("b", "10.0.2.9")),
        ])
        #expect(claims.update(slices: [("a-0", try slice("a", "10.0.2.9", "10.0.2.10"))]).isEmpty)
        #expect(claims[try address("10.0.2.9")]?.node == "b")
        #expect(
            problems(claims) == [
                "SkeinEndpointSlice a-0: 10.0.2.9 is not in the pod ranges of node a",
                "SkeinEndpointSlice a-0: 10.0.2.10 is not in the pod ranges of node a",
            ])
        #expect(claims.problems(limit: 1).count == 1)
    }

    @Test func `what lies in two nodes' ranges is nobody's until one gives way`() throws {
        var claims = EndpointClaims()
        claims.update([
            .node("a", try node("a", ["10.0.0.0/16"])), .endpointSlice("a-0", try slice("a", "10.0.2.9", "10.0.3.9")),
        ])
        let both = claims.update(nodes: [("b", try node("b", ["10.0.2.0/24"]))])
        #expect(texts(both) == ["10.0.2.9 -"])
        #expect(problems(claims) == ["SkeinEndpointSlice a-0: 10.0.2.9 is in the pod ranges of several nodes: a, b"])
        #expect(texts(claims.update(nodes: [("b", nil)])) == ["10.0.2.9 a 300"])
        // The same range, twice.
        #expect(texts(claims.update(nodes: [("c", try node("c", ["10.0.0.0/16"]))])) == ["10.0.2.9 -", "10.0.3.9 -"])
    }

    @Test func `a node's own address is never a pod's`() throws {
        var claims = EndpointClaims()
        claims.update([
            .node("a", try node("a", ["10.0.1.0/24"])), .endpointSlice("a-0", try slice("a", "10.0.1.1")),
        ])
        #expect(texts(claims.update(nodes: [("b", try node("b", at: ["10.0.1.1"], []))])) == ["10.0.1.1 -"])
        #expect(problems(claims) == ["SkeinEndpointSlice a-0: 10.0.1.1 is an address of node b"])
        #expect(texts(claims.update(nodes: [("b", try node("b", []))])) == ["10.0.1.1 a 300"])
    }

    @Test func `of two slices of one node the first by name counts, whichever came first`() throws {
        let first = try slice("a", "10.0.1.5", identity: 300)
        let second = try slice("a", "10.0.1.5", identity: 400)
        for order in [["a-0", "a-1"], ["a-1", "a-0"]] {
            var claims = EndpointClaims()
            claims.update(nodes: [("a", try node("a", ["10.0.1.0/24"]))])
            for name in order { claims.update(slices: [(name, name == "a-0" ? first : second)]) }
            #expect(claims[try address("10.0.1.5")]?.endpoint.identity == 300)
            #expect(problems(claims) == ["SkeinEndpointSlice a-1: 10.0.1.5 is in a-0 too, and that counts"])
            #expect(texts(claims.update(slices: [("a-0", nil)])) == ["10.0.1.5 a 400"])
        }
    }

    @Test(
        arguments: [
            (1, false), (2, false), (6, false), (7, false), (0, false), (255, false), (0x100_0000, false), (4, true),
            (5, true), (256, true), (0xff_ffff, true),
        ] as [(IdentityNumber, Bool)])
    func `nobody makes a pod the host`(identity: IdentityNumber, isBelieved: Bool) throws {
        var claims = EndpointClaims()
        claims.update([
            .node("a", try node("a", ["10.0.1.0/24"])),
            .endpointSlice("a-0", try slice("a", "10.0.1.5", identity: identity)),
        ])
        #expect((claims[try address("10.0.1.5")] != nil) == isBelieved)
        #expect(claims.problems().isEmpty == isBelieved)
    }

    @Test func `changes tell only what changed`() throws {
        var claims = EndpointClaims()
        claims.update([
            .node("a", try node("a", ["10.0.1.0/24"])),
            .endpointSlice("a-0", try slice("a", "10.0.1.1", "10.0.1.2", "10.0.1.3")),
        ])
        let changes = claims.update(slices: [("a-0", try slice("a", "10.0.1.2", "10.0.1.3", "10.0.1.4"))])
        #expect(texts(changes) == ["10.0.1.1 -", "10.0.1.4 a 300"])
    }

    @Test(arguments: 1...20) func `step by step it believes what it would believe at once`(seed: UInt64) throws {
        var random = Steps(state: seed)
        var nodes: [String: ClusterNode] = [:]
        var slices: [String: EndpointSlice] = [:]
        var claims = EndpointClaims()
        var told: [IPAddress: EndpointClaims.Claim] = [:]
        for _ in 0..<150 {
            let name = ["a", "b", "c"][random.next(3)]
            var batch: [ResourceChange] = []
            for _ in 0...random.next(2) {
                if random.next(3) == 0 {
                    let node = random.next(4) == 0 ? nil : try randomNode(name, &random)
                    nodes[name] = node
                    batch.append(.node(name, node))
                } else {
                    let sliceName = "\(name)-\(random.next(2))"
                    let slice = random.next(4) == 0 ? nil : try randomSlice(["a", "b", "c"][random.next(3)], &random)
                    slices[sliceName] = slice
                    batch.append(.endpointSlice(sliceName, slice))
                }
            }
            for change in claims.update(batch) {
                #expect(told[change.address] != change.claim)
                told[change.address] = change.claim
            }
            var fresh = EndpointClaims()
            fresh.update(
                slices.sorted { $0.key > $1.key }.map { .endpointSlice($0.key, $0.value) }
                    + nodes.map { .node($0.key, $0.value) })
            for low in 0..<16 {
                let address = try address("10.0.0.\(low)")
                #expect(told[address] == fresh[address])
                #expect(claims[address] == fresh[address])
            }
            #expect(problems(claims) == problems(fresh))
            #expect(claims.believedCount == told.count)
            #expect(Set(claims.believed) == Set(told.keys))
            for node in ["a", "b", "c"] {
                #expect(claims.believed(of: node) == Set(told.filter { $0.value.node == node }.keys))
            }
        }
    }

    private func randomNode(_ name: String, _ random: inout Steps) throws -> ClusterNode {
        let ranges = ["10.0.0.0/30", "10.0.0.4/30", "10.0.0.8/30", "10.0.0.0/29", "10.0.0.12/32"]
        return try node(
            name, at: random.next(3) == 0 ? ["10.0.0.\(random.next(16))"] : [],
            (0..<random.next(3)).map { _ in ranges[random.next(ranges.count)] })
    }

    private func randomSlice(_ node: String, _ random: inout Steps) throws -> EndpointSlice {
        EndpointSlice(
            node: node,
            endpoints: try (0..<random.next(5)).map { _ in
                try endpoint(["10.0.0.\(random.next(16))"], IdentityNumber(255 + random.next(4)))
            })
    }

    @Test func `five thousand nodes and fifty thousand endpoints take seconds at most`() throws {
        var claims = EndpointClaims()
        var batch: [ResourceChange] = []
        for index in 0..<5_000 {
            let base = UInt32(0x0a00_0000) + UInt32(index) * 256
            let range = try #require(Prefix(IPAddress(v4: base), length: 24))
            batch.append(
                .node(
                    "n\(index)",
                    ClusterNode(
                        name: "n\(index)", addresses: [IPAddress(v4: 0xc0a8_0000 + UInt32(index))], podRanges: [range]))
            )
            let endpoints = (1...10).map {
                ClusterEndpoint(
                    addresses: [IPAddress(v4: base + $0)], identity: 256 + $0, namespace: "default", podName: "p\($0)")
            }
            batch.append(.endpointSlice("n\(index)-0", EndpointSlice(node: "n\(index)", endpoints: endpoints)))
        }
        #expect(claims.update(batch).count == 50_000)
        // A change of one costs what one costs: ten thousand of them would show anything else.
        let clock = ContinuousClock()
        let start = clock.now
        for round in 0..<10_000 {
            let index = round % 5_000
            let base = UInt32(0x0a00_0000) + UInt32(index) * 256
            let endpoint = ClusterEndpoint(
                addresses: [IPAddress(v4: base + 1)], identity: 1_000 + UInt32(round), namespace: "default",
                podName: "p")
            claims.update(slices: [("n\(index)-0", EndpointSlice(node: "n\(index)", endpoints: [endpoint]))])
        }
        #expect(clock.now - start < .seconds(30))
        #expect(claims.count == 5_000)
    }
}

/// A small generator, the same from the same seed.
private struct Steps {
    var state: UInt64

    mutating func next(_ limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(limit))
    }
}
