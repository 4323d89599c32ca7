// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// Numbers that are decided on for all nodes, and peers that are known by them.
@Suite struct IdentityTests {
    private static let web = SecurityLabels(namespace: "default", nil, podLabels: ["app": "web"])
    private static let db = SecurityLabels(namespace: "default", nil, podLabels: ["app": "db"])
    private static let server = IPAddress(v4: 0x0a00_0001)
    private static let client = IPAddress(v4: 0x0a00_0002)

    /// A server of labels `db` that lets only `web` in.
    private static func compiler() -> (PolicyCompiler, TableState) {
        var compiler = PolicyCompiler()
        compiler.stage(
            PolicyObject(
                NetworkPolicy(
                    namespace: "default", name: "p", podSelector: LabelSelector(matchLabels: ["app": "db"]),
                    ingress: [
                        .init(from: [.init(podSelector: LabelSelector(matchLabels: ["app": "web"]))])
                    ])))
        compiler.stage(PolicyEndpoint(number: 1, addresses: [server], labels: db))
        var state = TableState()
        state.apply(compiler.commit())
        return (compiler, state)
    }

    private static func isAllowed(_ state: TableState) -> Bool {
        Query(source: client, destination: server, protocol: .tcp, port: 80).judge(state).isAllowed
    }

    @Test func `a peer known by its number has the labels of the number, whichever comes first`() {
        var (compiler, state) = Self.compiler()
        compiler.stage(.endpoint(5000, namedPorts: []), at: Self.client)
        state.apply(compiler.commit())
        #expect(!Self.isAllowed(state))
        #expect(state.peers[Self.client]?.identity == 5000)
        #expect(compiler.labels(of: 5000) == nil)

        compiler.stage(identity: 5000, Self.web)
        let changeset = compiler.commit()
        state.apply(changeset)
        #expect(Self.isAllowed(state))
        #expect(changeset.judgeAgain)
        #expect(compiler.labels(of: 5000) == Self.web)
        #expect(state.peers[Self.client]?.identity == 5000)

        var (other, otherState) = Self.compiler()
        other.stage(identity: 5000, Self.web)
        otherState.apply(other.commit())
        other.stage(.endpoint(5000, namedPorts: []), at: Self.client)
        otherState.apply(other.commit())
        #expect(Self.isAllowed(otherState))
    }

    @Test func `who has labels gets the number that is decided for them, also late and when it was another's`() {
        var (compiler, state) = Self.compiler()
        compiler.stage(.pod(Self.web, namedPorts: []), at: Self.client)
        state.apply(compiler.commit())
        let derived = IdentityAllocator.preferredNumber(of: Self.web)
        #expect(state.peers[Self.client]?.identity == derived)
        // The number that hashing gave to web is db's, by decision.
        compiler.stage(identity: derived, Self.db)
        state.apply(compiler.commit())
        #expect(state.views[1]?.identity == derived && state.peers[Self.server]?.identity == derived)
        #expect(state.peers[Self.client]?.identity != derived)
        #expect(compiler.labels(of: derived) == Self.db)
        #expect(Self.isAllowed(state))
        compiler.stage(identity: 777, Self.web)
        state.apply(compiler.commit())
        #expect(state.peers[Self.client]?.identity == 777)
        #expect(compiler.statistics.identities == 2)
        #expect(Self.isAllowed(state))
    }

    @Test func `a decision that is withdrawn counts for as long as somebody has the number`() {
        var (compiler, state) = Self.compiler()
        compiler.stage(identity: 5000, Self.web)
        compiler.stage(.endpoint(5000, namedPorts: []), at: Self.client)
        state.apply(compiler.commit())
        compiler.stage(identity: 5000, nil)
        let changeset = compiler.commit()
        #expect(changeset.removedIdentities == [5000] && changeset.writeCount == 1)
        state.apply(changeset)
        #expect(Self.isAllowed(state))
        // Also for others who come meanwhile.
        let late = IPAddress(v4: 0x0a00_0003)
        compiler.stage(.endpoint(5000, namedPorts: []), at: late)
        state.apply(compiler.commit())
        #expect(state.peers[late]?.slot == state.peers[Self.client]?.slot)
        compiler.stage(nil, at: late)
        compiler.stage(nil, at: Self.client)
        state.apply(compiler.commit())
        #expect(compiler.labels(of: 5000) == nil)
        compiler.stage(.endpoint(5000, namedPorts: []), at: Self.client)
        state.apply(compiler.commit())
        #expect(!Self.isAllowed(state))
        // Another decision makes it somebody else.
        compiler.stage(identity: 5000, Self.db)
        state.apply(compiler.commit())
        #expect(!Self.isAllowed(state))
        compiler.stage(identity: 5000, Self.web)
        state.apply(compiler.commit())
        #expect(Self.isAllowed(state))
    }

    @Test(arguments: [0, 1, 2, 6, 7, 9, 255, 1 << 24, .max] as [IdentityNumber])
    func `nobody becomes a node, the API server or the world by saying its number`(number: IdentityNumber) {
        var (compiler, state) = Self.compiler()
        compiler.stage(identity: number, Self.web)
        compiler.stage(.endpoint(number, namedPorts: []), at: Self.client)
        state.apply(compiler.commit())
        #expect(state.peers[Self.client]?.identity == ReservedIdentity.unmanaged.rawValue)
        #expect(state.peers[Self.client]?.isHost == false && state.peers[Self.client]?.isRemoteNode == false)
        #expect(!Self.isAllowed(state))
    }

    @Test(arguments: UInt64(11_000)..<11_040)
    func `pods known by numbers, in whatever order all is told, are judged as those known by labels`(seed: UInt64) {
        var generator = ClusterGenerator(seed: seed)
        var cluster = generator.cluster(pods: 12, policies: 5)
        generator.addEntities(to: &cluster)
        for _ in 0..<4 { generator.addOther(to: &cluster) }
        var numbers: [SecurityLabels: IdentityNumber] = [:]
        let allLabels = cluster.pods.keys.sorted().compactMap {
            cluster.pods[$0].map { cluster.securityLabels(of: $0.pod) }
        }
        for labels in allLabels where numbers[labels] == nil {
            // Often the number that hashing would give to these or to other labels.
            let preferred = IdentityAllocator.preferredNumber(of: generator.random.pick(allLabels))
            numbers[labels] =
                numbers.values.contains(preferred) ? IdentityNumber(1000 + numbers.count) : preferred
        }

        var tasks: [(inout PolicyCompiler) -> Void] = []
        for (labels, number) in numbers.sorted(by: { $0.value < $1.value }) {
            tasks.append { $0.stage(identity: number, labels) }
        }
        for name in cluster.pods.keys.sorted() {
            guard let inhabitant = cluster.pods[name] else { continue }
            guard inhabitant.endpoint == 0, let number = numbers[cluster.securityLabels(of: inhabitant.pod)] else {
                tasks.append { [cluster] in cluster.stage(name, in: &$0) }
                continue
            }
            let pod = inhabitant.pod
            tasks.append {
                for address in pod.addresses { $0.stage(.endpoint(number, namedPorts: pod.namedPorts), at: address) }
            }
        }
        var empty = cluster
        empty.pods = [:]
        tasks.append { [empty] in empty.stageAll(in: &$0) }
        tasks.shuffle(using: &generator.random)

        var compiler = PolicyCompiler()
        var state = TableState()
        for (labels, number) in numbers.sorted(by: { $0.value < $1.value }) where generator.random.chance(20) {
            // A decision of the past, about other labels or these, or withdrawn.
            compiler.stage(identity: number, generator.random.chance(50) ? labels : generator.random.pick(allLabels))
            if generator.random.chance(50) { state.apply(compiler.commit()) }
            if generator.random.chance(50) { compiler.stage(identity: number, nil) }
        }
        for task in tasks {
            task(&compiler)
            guard generator.random.chance(60) else { continue }
            state.apply(compiler.commit(collecting: generator.random.chance(30)))
            var snapshot = TableState()
            snapshot.apply(compiler.snapshot())
            #expect(state.agrees(with: snapshot), "seed \(seed)")
        }
        state.apply(compiler.commit(collecting: true))

        let (byLabels, expected) = cluster.compiled()
        // A number has a class of its own where every pod that has it lies in a rule's block.
        #expect(compiler.statistics.classes >= byLabels.statistics.classes, "seed \(seed)")
        Self.expectNumbersStandForStrangers(numbers, state, cluster, &generator, seed: seed)
        for inhabitant in cluster.pods.values {
            let number = numbers[cluster.securityLabels(of: inhabitant.pod)]
            for address in inhabitant.pod.addresses {
                #expect(state.peers[address]?.identity == number, "seed \(seed): \(address)")
            }
            if inhabitant.endpoint != 0 { #expect(state.views[inhabitant.endpoint]?.identity == number) }
        }
        for query in generator.queries(cluster, count: 150) {
            #expect(
                query.judge(state).verdict.verdict == query.judge(expected).verdict.verdict, "seed \(seed): \(query)")
        }

        for name in cluster.pods.keys { cluster.pods[name].map { cluster.unstage($0, in: &compiler) } }
        for number in numbers.values { compiler.stage(identity: number, nil) }
        _ = compiler.commit()
        #expect(compiler.statistics.identities == 0)
        #expect(numbers.values.allSatisfy { compiler.labels(of: $0) == nil })
    }

    /// A pod at an address that nobody has told yet, known by what its tunnel says, is judged as if it were known.
    private static func expectNumbersStandForStrangers(
        _ numbers: [SecurityLabels: IdentityNumber], _ state: TableState, _ cluster: Cluster,
        _ generator: inout ClusterGenerator, seed: UInt64
    ) {
        let newcomer = IPAddress(v4: 0xcb00_71fe)
        guard !state.prefixes.keys.contains(where: { $0.contains(newcomer) || !$0.isIPv4 && $0.length == 0 }) else {
            return
        }
        #expect(Set(state.identities.keys) == Set(numbers.values), "seed \(seed)")
        for (labels, number) in numbers {
            guard let twin = cluster.pods.values.first(where: { cluster.securityLabels(of: $0.pod) == labels }) else {
                continue
            }
            var grown = cluster
            var pod = twin.pod
            pod.addresses = [newcomer]
            pod.namedPorts = []
            grown.pods["newcomer"] = Cluster.Inhabitant(pod: pod, endpoint: 0)
            let (_, expected) = grown.compiled()
            var told = state
            told.apply(.setPeer(newcomer, PeerEntry(identity: number, slot: state.identities[number] ?? .max)))
            for query in generator.queries(cluster, count: 10) {
                let query = Query(
                    source: newcomer, destination: query.destination, protocol: query.protocol, port: query.port)
                let verdict = query.judge(told).verdict.verdict
                #expect(verdict == query.judge(expected).verdict.verdict, "seed \(seed): \(number), \(query)")
            }
        }
    }
}
