// SPDX-License-Identifier: Apache-2.0
import KubeClient
import NetTypes
import Testing

@testable import ClusterScope

@Suite struct ScenarioTests {
    @Test func `names are unique and fit a command line`() {
        let names = Scenario.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "-" } })
        #expect(Scenario.all.count >= 40)
    }

    @Test func `every scenario but those of the open network has an allowed and a refused probe`() {
        for scenario in Scenario.all where scenario.name != "no-policies-again" {
            #expect(scenario.expectations.contains { $0.isAllowed }, "\(scenario.name)")
            #expect(scenario.expectations.contains { !$0.isAllowed }, "\(scenario.name)")
        }
    }

    @Test func `no scenario expects both of one question`() {
        for scenario in Scenario.all {
            for one in scenario.expectations {
                #expect(
                    !scenario.expectations.contains {
                        $0.from == one.from && $0.to == one.to && $0.isAllowed != one.isAllowed
                    },
                    "\(scenario.name)")
            }
        }
    }

    @Test func `where everything is there, no scenario is skipped and every probe has an address`() {
        let topology = twoNodes()
        for scenario in Scenario.all {
            #expect(scenario.obstacle(topology) == nil, "\(scenario.name)")
            for expectation in scenario.expectations {
                #expect(!topology.questions(expectation.to).isEmpty, "\(scenario.name): \(expectation.to)")
            }
        }
    }

    @Test func `what is not there is skipped and asked by nobody`() {
        var topology = oneNode()
        topology.world = []
        topology.hasSkeinKinds = false
        let run = Scenario.all.filter { $0.obstacle(topology) == nil }
        #expect(run.contains { $0.name == "pod-to-pod-same-node" })
        #expect(!run.contains { $0.name.hasPrefix("snp") || $0.name.hasPrefix("scnp") || $0.name.contains("world") })
        #expect(!run.contains { $0.name == "pod-to-pod-other-node" })
        let asked = Set(ConnectivityTest.questions(Scenario.all, topology).values.joined().map(\.target))
        #expect(asked.isDisjoint(with: [.world, .otherNode]))
        #expect(asked.contains(.echo(.far, .http)), "the other pod is there also with one node")
    }

    @Test func `objects are the test's own, of its namespace, and select nothing else`() {
        let topology = twoNodes()
        for scenario in Scenario.all {
            for object in scenario.objects(topology) {
                let metadata = object.document.metadata
                #expect(metadata.labels[TestObjects.ownerLabel] == TestObjects.owner)
                #expect(metadata.labels[TestObjects.testLabel] == "t")
                if object.kind.isNamespaced {
                    #expect(metadata.namespace == "t")
                } else {
                    let selector = object.document.json["spec", "endpointSelector", "matchLabels"]
                    #expect(selector["k8s:io.kubernetes.pod.namespace"] == "t", "\(scenario.name)")
                }
            }
        }
    }

    @Test func `both families are asked, but only those that pods have`() {
        var topology = twoNodes()
        #expect(topology.questions(.echo(.near, .http)).map(\.address) == ["10.0.1.5", "fd00:1::5"])
        #expect(topology.questions(.clientNode).map(\.port) == [10_250, 10_250])
        topology.echoes = [.near: [address("10.0.1.5")], .far: [address("10.0.2.5")]]
        #expect(topology.questions(.clientNode).map(\.address) == ["192.0.2.11"])
    }

    @Test func `a prober's question is asked once, however many scenarios want it`() {
        let questions = ConnectivityTest.questions(Scenario.all, twoNodes())
        #expect(Set(questions.keys) == Set(Prober.allCases))
        for list in questions.values { #expect(Set(list).count == list.count) }
        // Rounds have to be short, and their lines have to fit into what is read of a log.
        #expect(questions.values.allSatisfy { $0.count < 60 })
    }
}

@Suite struct OutsideAddressTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1:80"), ("192.0.2.1:8080", "192.0.2.1:8080"), ("2001:db8::1", "[2001:db8::1]:80"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
    ])
    func `addresses with and without ports are read`(text: String, expected: String) {
        #expect(OutsideAddress(text)?.description == expected)
    }

    @Test(arguments: ["", "example.org", "192.0.2.1:0", "192.0.2.1:70000", "[2001:db8::1]", ":80", "192.0.2:80"])
    func `others are refused`(text: String) {
        #expect(OutsideAddress(text) == nil)
    }
}
