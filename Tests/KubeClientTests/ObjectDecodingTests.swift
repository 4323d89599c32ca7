// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import KubeClient

@Suite struct ObjectDecodingTests {
    private func decode<Object>(_ resource: Resource<Object>, _ json: String) throws -> Object {
        try resource.decode(Array(json.utf8))
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func `a pod keeps what we use`() throws {
        let pod = try decode(
            KubePod.resource,
            """
            {"apiVersion":"v1","kind":"Pod",
            "metadata":{"name":"web-0","namespace":"shop","uid":"u","resourceVersion":"7","labels":{"app":"web"},
            "annotations":{"x":"y"},"managedFields":[{"manager":"k"}],"deletionTimestamp":"2026-01-01T00:00:00Z",
            "ownerReferences":[{"apiVersion":"apps/v1","kind":"StatefulSet","name":"web","uid":"o","controller":true}]},
            "spec":{"nodeName":"node-1","hostNetwork":true,
            "initContainers":[{"name":"i","ports":[{"name":"once","containerPort":1}]},
            {"name":"s","restartPolicy":"Always","ports":[{"name":"sidecar","containerPort":2}]}],
            "containers":[{"name":"c","ports":[{"name":"http","containerPort":80},{"containerPort":81},
            {"name":"dns","containerPort":53,"protocol":"UDP"},{"name":"odd","containerPort":9,"protocol":"QUIC"}]},
            {"name":"d"}]},
            "status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}}
            """)
        #expect(pod.metadata.key == ObjectKey(namespace: "shop", name: "web-0"))
        #expect(pod.metadata.labels == ["app": "web"])
        #expect(pod.metadata.uid == "u" && pod.metadata.resourceVersion == "7")
        #expect(pod.metadata.deletionTimestamp == "2026-01-01T00:00:00Z")
        #expect(pod.metadata.ownerReferences.first?.kind == "StatefulSet")
        #expect(pod.nodeName == "node-1" && pod.hostNetwork && pod.phase == "Running" && !pod.hasEnded)
        #expect(
            pod.namedPorts == [
                .init(name: "http", protocol: .tcp, port: 80), .init(name: "dns", protocol: .udp, port: 53),
                .init(name: "sidecar", protocol: .tcp, port: 2),
            ])
        #expect(pod.podIPs == [try address("10.0.0.1"), try address("fd00::1")])
    }

    @Test func `a pod that is not scheduled has little`() throws {
        let pod = try decode(
            KubePod.resource,
            #"{"metadata":{"name":"a","namespace":"b","labels":null},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Pending"}}"#
        )
        #expect(pod.nodeName == nil && !pod.hostNetwork && pod.namedPorts.isEmpty && pod.podIPs.isEmpty)
        #expect(pod.metadata.labels.isEmpty)
    }

    @Test(arguments: [
        ("Succeeded", true), ("Failed", true), ("Running", false), ("Pending", false), ("Unknown", false),
    ])
    func `a pod has ended or not`(phase: String, ended: Bool) {
        #expect(KubePod(metadata: ObjectMeta(name: "a"), phase: phase).hasEnded == ended)
    }

    @Test func `one address is enough where there is no list`() throws {
        let pod = try decode(KubePod.resource, #"{"metadata":{"name":"a"},"status":{"podIP":"10.0.0.1"}}"#)
        #expect(pod.podIPs == [try address("10.0.0.1")])
    }

    @Test(arguments: [
        (#"{"metadata":{"name":"a"},"status":{"podIPs":[{"ip":"x"}]}}"#, "status.podIPs: \"x\" is not an IP address"),
        (#"{"spec":{}}"#, "metadata: is missing"), (#"{"metadata":{}}"#, "metadata.name: is missing"),
        (#"{"metadata":{"name":1}}"#, "metadata.name: is not a string"),
        (#"{"metadata":{"name":"a","labels":{"x":1}}}"#, "metadata.labels.x: is not a string"),
        (
            #"{"metadata":{"name":"a"},"spec":{"containers":[{},{"ports":[{"name":"x"}]}]}}"#,
            "spec.containers[1].ports[0].containerPort: is missing"
        ),
        (#"{"metadata":{"name":"a"},"spec":{"hostNetwork":"yes"}}"#, "spec.hostNetwork: is not true or false"),
    ])
    func `what is wrong is named by its field`(json: String, message: String) {
        let error = #expect(throws: JSONFailure.self) { try decode(KubePod.resource, json) }
        #expect(error?.description == message)
    }

    @Test func `a node has addresses, ranges and conditions`() throws {
        let node = try decode(
            KubeNode.resource,
            """
            {"metadata":{"name":"n","labels":{"zone":"a"}},"spec":{"podCIDR":"10.1.0.0/24",
            "podCIDRs":["10.1.0.0/24","fd00:1::/64"]},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"},
            {"type":"Hostname","address":"n"},{"type":"InternalIP","address":"2001:db8::1"}],
            "conditions":[{"type":"Ready","status":"True"},{"type":"NetworkUnavailable","status":"False","reason":"Up"}]}}
            """)
        #expect(node.internalIPs == [try address("192.0.2.1"), try address("2001:db8::1")])
        #expect(node.podCIDRs.map(\.description) == ["10.1.0.0/24", "fd00:1::/64"])
        #expect(node.conditions["NetworkUnavailable"]?.isTrue == false)
        #expect(node.conditions["Ready"]?.isTrue == true)
        let old = try decode(KubeNode.resource, #"{"metadata":{"name":"n"},"spec":{"podCIDR":"10.1.0.0/24"}}"#)
        #expect(old.podCIDRs.map(\.description) == ["10.1.0.0/24"])
    }

    @Test func `a definition is served and established`() throws {
        let definition = try decode(
            KubeCustomResourceDefinition.resource,
            """
            {"metadata":{"name":"skeinnodes.skein.dev"},"spec":{"versions":[{"name":"v1","served":true,"storage":true},
            {"name":"v0","served":false,"storage":false}]},"status":{"conditions":[{"type":"Established","status":"True"}]}}
            """)
        #expect(definition.servedVersions == ["v1"])
        #expect(definition.isEstablished)
    }

    @Test func `our own objects come back as they were sent`() throws {
        let node = SkeinNode(
            metadata: ObjectMeta(name: "n", uid: "u"),
            spec: .init(addresses: [try address("192.0.2.1")], podCIDRs: [try #require(Prefix("fd00:1::/64"))]),
            status: .init(health: "ok", conditions: [KubeCondition(type: "Ready", status: "True")]))
        let slice = SkeinEndpointSlice(
            metadata: ObjectMeta(name: "n-0", ownerReferences: [node.ownerReference]), nodeName: "n",
            endpoints: [
                .init(
                    addresses: [try address("10.0.0.1"), try address("fd00::1")], identity: 300,
                    namedPorts: [.init(name: "http", protocol: "TCP", port: 80)], namespace: "shop", podName: "web-0")
            ])
        #expect(try decode(SkeinNode.resource, String(decoding: encodeJSON(node), as: UTF8.self)) == node)
        let json = String(decoding: try encodeJSON(slice), as: UTF8.self)
        #expect(try decode(SkeinEndpointSlice.resource, json) == slice)
        #expect(
            json == """
                {"endpoints":[{"addresses":["10.0.0.1","fd00::1"],"identity":300,"namedPorts":[{"name":"http","port":80,\
                "protocol":"TCP"}],"namespace":"shop","podName":"web-0"}],"metadata":{"name":"n-0","ownerReferences":\
                [{"apiVersion":"skein.dev/v1","kind":"SkeinNode","name":"n","uid":"u"}]},"nodeName":"n"}
                """)
    }

    @Test(arguments: [
        ("300", 300), ("16777215", 16_777_215), ("0300", nil), ("+300", nil), ("a", nil), ("4294967296", nil),
    ])
    func `an identity's number is its name`(name: String, number: UInt32?) {
        #expect(SkeinIdentity(metadata: ObjectMeta(name: name), spec: .init(labels: [:])).number == number)
    }

    @Test func `other kinds pass as they are`() throws {
        let json =
            #"{"metadata":{"name":"p","namespace":"n","resourceVersion":"4","generation":2},"spec":{"any":[1,{"x":null}]}}"#
        let resource = Resource<RawObject>.raw(
            ResourceDescriptor(
                group: "networking.k8s.io", version: "v1", plural: "networkpolicies", kind: "NetworkPolicy",
                isNamespaced: true))
        let object = try decode(resource, json)
        #expect(object.json == Array(json.utf8))
        #expect(object.metadata.generation == 2 && object.metadata.key.description == "n/p")
    }

    @Test(arguments: [
        (nil, nil, "/apis/g/v1/things"), ("", "a", "/apis/g/v1/things/a"),
        ("n", nil, "/apis/g/v1/namespaces/n/things"), ("n", "a/b c", "/apis/g/v1/namespaces/n/things/a%2Fb%20c"),
    ])
    func `paths`(namespace: String?, name: String?, path: String) {
        let descriptor = ResourceDescriptor(
            group: "g", version: "v1", plural: "things", kind: "Thing", isNamespaced: true)
        #expect(descriptor.path(namespace: namespace, name: name) == path)
        #expect(KubeNode.resource.descriptor.path(namespace: "ignored", name: "a") == "/api/v1/nodes/a")
    }
}
