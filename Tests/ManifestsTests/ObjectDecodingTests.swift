// SPDX-License-Identifier: Apache-2.0
import Model
import NetTypes
import ObjectDecoding
import Testing

@testable import Manifests

@Suite struct ObjectDecodingTests {
    private func pod(_ text: String) -> Pod? {
        let decoded = decode(text)
        #expect(decoded.errors.map(\.description) == [])
        guard case .pod(let pod)? = decoded.objects.first?.object else { return nil }
        return pod
    }

    @Test func `a namespace has its labels and the one with its name`() {
        let decoded = decode(
            """
            apiVersion: v1
            kind: Namespace
            metadata:
              name: shop
              labels: {team: a, kubernetes.io/metadata.name: other}
              annotations: {x: "1"}
              creationTimestamp: null
            spec: {finalizers: [kubernetes]}
            """)
        #expect(decoded.errors.isEmpty)
        #expect(
            decoded.objects.map(\.object) == [
                .namespace(
                    Namespace(name: "shop", labels: ["team": "a", "kubernetes.io/metadata.name": "shop"]))
            ])
        #expect(decoded.objects.map(\.reference.description) == ["Namespace shop"])
    }

    @Test func `a pod has labels, named ports and addresses`() {
        let pod = pod(
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: web-1, namespace: shop, labels: {app: web}}
            spec:
              containers:
              - name: main
                image: x
                ports:
                - {name: http, containerPort: 8080}
                - {name: dns, containerPort: 53, protocol: UDP, hostPort: 53, hostIP: 0.0.0.0}
                - {containerPort: 9000}
              - name: other
                ports: [{name: sctp, containerPort: 1, protocol: SCTP}]
              initContainers:
              - name: sidecar
                restartPolicy: Always
                ports: [{name: metrics, containerPort: 9100}]
              - name: setup
                ports: [{name: setup, containerPort: 1000}]
              nodeName: somewhere
            status:
              phase: Running
              podIP: 10.1.0.5
              podIPs: [{ip: 10.1.0.5}, {ip: "fd00::5"}]
            """)
        #expect(
            pod
                == Pod(
                    namespace: "shop", name: "web-1", labels: ["app": "web"],
                    namedPorts: [
                        NamedPort(name: "http", protocol: .tcp, port: 8080),
                        NamedPort(name: "dns", protocol: .udp, port: 53),
                        NamedPort(name: "sctp", protocol: .sctp, port: 1),
                        NamedPort(name: "metrics", protocol: .tcp, port: 9100),
                    ],
                    addresses: [IPAddress("10.1.0.5"), IPAddress("fd00::5")].compactMap { $0 }))
    }

    @Test(arguments: [
        ("spec: {hostNetwork: true}", true, 0), ("spec: {hostNetwork: false}", false, 0), ("spec: {}", false, 0),
        ("status: {podIP: 10.1.0.5}", false, 1), ("status: {podIPs: [{ip: 10.1.0.5}]}", false, 1),
        ("status: {phase: Succeeded, podIP: 10.1.0.5}", false, 0),
        ("status: {phase: Failed, podIP: 10.1.0.5}", false, 0), ("status: {podIPs: null}", false, 0),
    ])
    func `a pod needs no more than a name`(rest: String, hostNetwork: Bool, addresses: Int) {
        let pod = pod("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: null}\n\(rest)\n")
        #expect(pod?.reference.description == "Pod default/a")
        #expect(pod?.hostNetwork == hostNetwork)
        #expect(pod?.addresses.count == addresses)
    }

    @Test(arguments: [
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n"
            + "- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n",
        "apiVersion: v1\nkind: PodList\nmetadata: {resourceVersion: \"1\"}\nitems:\n- metadata: {name: a}\n"
            + "- {kind: Pod, metadata: {name: b}}\n",
        """
        {"apiVersion": "v1", "kind": "List", "items": [
        \t{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
        \t{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}
        ]}
        """,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n---\n# nothing\n---\n"
            + "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n...\n",
        "\u{feff}apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a}\r\n---\r\n"
            + "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: b}\r\n",
    ])
    func `several objects come in documents, lists and JSON`(text: String) {
        let decoded = decode(text)
        #expect(decoded.errors.map(\.description) == [])
        #expect(decoded.objects.map(\.reference.name) == ["a", "b"])
    }

    @Test func `other kinds are left alone`() {
        let decoded = decode(
            """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: a, whatever: true}
            spec: 7
            ---
            apiVersion: networking.k8s.io/v1
            kind: Ingress
            ---
            apiVersion: v1
            kind: ConfigMap
            data: {y: x}
            """)
        #expect(decoded.errors.isEmpty && decoded.objects.isEmpty)
        #expect(decoded.ignored.map(\.kind) == ["Deployment", "Ingress", "ConfigMap"])
        #expect(decoded.ignored.map(\.line) == [1, 6, 9])
    }
}

@Suite struct ObjectErrorTests {
    @Test(arguments: [
        ("just text", "1: must be a mapping, not a string"),
        ("- a", "1: must be a mapping, not a list"),
        ("apiVersion: v1\nmetadata: {name: a}", "1: kind: the field is required"),
        ("kind: Pod\nmetadata: {name: a}", "1: apiVersion: the field is required"),
        ("kind: 5\napiVersion: v1", "1: kind: must be a string (put it in quotes), not a number"),
        ("apiVersion: v1\nkind: Pod", "1: Pod: metadata: the field is required"),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: a", "4: Pod: metadata.name: the field is required"),
        (
            "apiVersion: v2\nkind: Pod\nmetadata: {name: a}",
            "1: Pod default/a: apiVersion: \"v2\" is not v1, the only version of Pod here"
        ),
        (
            "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: b}",
            "1: NetworkPolicy b/a: apiVersion: \"extensions/v1beta1\" is not networking.k8s.io/v1, the only version of "
                + "NetworkPolicy here"
        ),
        (
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolciy",
            "2: kind: there is no kind \"NetworkPolciy\" in networking.k8s.io/v1"
        ),
        (
            "apiVersion: v1\nkind: networkpolicy",
            "2: kind: there is no kind \"networkpolicy\" in v1; did you mean \"NetworkPolicy\"?"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  lables: {a: b}",
            "5: Pod default/a: metadata.lables: unknown field; did you mean \"labels\"?"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    app: 5",
            "6: Pod default/a: metadata.labels[app]: must be a string (put it in quotes), not a number"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nsepc: {}",
            "4: Pod default/a: sepc: unknown field; did you mean \"spec\"?"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - ports:\n    - name: http",
            "7: Pod default/a: spec.containers[0].ports[0].containerPort: the field is required"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - ports:\n"
                + "    - {name: a, containerPort: 1}\n    - name: b\n      containerPort: 70000",
            "9: Pod default/a: spec.containers[0].ports[1].containerPort: \"70000\" must be between 1 and 65535"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - ports:\n"
                + "    - {name: a, containerPort: 1, protocol: tcp}",
            "7: Pod default/a: spec.containers[0].ports[0].protocol: \"tcp\" is none of TCP, UDP, SCTP"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: \"true\"}",
            "4: Pod default/a: spec.hostNetwork: must be true or false, not a string"
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus:\n  podIPs: [{ip: 10.1.0.256}]",
            "5: Pod default/a: status.podIPs[0].ip: \"10.1.0.256\" is not an address"
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}",
            "1: Namespace a: a Namespace is in no namespace: metadata.namespace must go"
        ),
        ("apiVersion: v1\nkind: List", "1: a list must have items"),
        (
            "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: {nmae: b}",
            "5: Pod: items[1].metadata.name: the field is required"
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n- kind: List\n  apiVersion: v1\n  items: []",
            "4: items[0]: a list must not hold another list"
        ),
        // No YAML.
        ("apiVersion: v1\nkind: [Pod", "2: not YAML"),
        ("a: b\n]", "2: not YAML"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}}\nspec: {}", "2: not YAML"),
        ("a: b\n c: d", "2: not YAML"),
        ("\ta: b", "1: not YAML"),
        ("a: *nowhere", "1: not YAML: found undefined alias"),
        ("a: \u{1}", "1: not YAML: control characters are not allowed"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {}\n  name: b",
            "4: the key \"name\" stands more than once in one mapping, first here"
        ),
    ])
    func `an object that can't be is refused with its place`(text: String, expected: String) throws {
        // Behind another document, so that line numbers can be wrong.
        let decoded = decode("apiVersion: v1\nkind: Pod\nmetadata: {name: first}\n---\n" + text)
        #expect(decoded.objects.map(\.reference.name).first == "first", "the first document is good")
        let error = try #require(decoded.errors.first)
        let line = try #require(Int(expected.prefix { $0 != ":" }))
        let rest = expected.drop { $0 != ":" }
        #expect(error.description.hasPrefix("x.yaml:\(line + 4)\(rest)"), "\(error)")
    }

    @Test(arguments: [
        ([UInt8]("a: b\n".utf8) + [0xff, 0x0a], 2), ([0xc3], 1), ([UInt8]("a\nb\nü".utf8) + [0x80], 3),
    ])
    func `bytes that are no text have a line too`(bytes: [UInt8], line: Int) {
        #expect(
            ManifestDecoder.decode(bytes, file: "x.yaml").errors
                == [ManifestError(file: "x.yaml", line: line, message: "not UTF-8")])
    }

    @Test func `one broken document hides neither those before nor those after it`() {
        let good = { (name: String) in "apiVersion: v1\nkind: Pod\nmetadata: {name: \(name)}\n" }
        let decoded = decode(
            [good("a"), "kind: [Pod\n", good("b"), "\"open: {\n", "kind: Pod\n", good("c")].joined(separator: "---\n"))
        #expect(decoded.objects.map(\.reference.name) == ["a", "b", "c"])
        #expect(decoded.objects.map(\.line) == [1, 7, 15])
        #expect(Set(decoded.errors.map(\.line)) == [5, 11, 13])
    }

    @Test func `a list keeps what is good in it`() {
        let decoded = decode(
            "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: 5\n- metadata: {name: b}\n")
        #expect(decoded.objects.map(\.reference.name) == ["a", "b"])
        #expect(decoded.errors.map(\.line) == [5])
    }

    @Test func `aliases do not multiply without end`() {
        let levels = (1...9).map { level in
            "x\(level): &x\(level) [\((0..<10).map { _ in "*x\(level - 1)" }.joined(separator: ", "))]"
        }
        let decoded = decode(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nx0: &x0 [1]\n\(levels.joined(separator: "\n"))\n")
        #expect(decoded.objects.isEmpty)
        #expect(decoded.errors.first?.message.hasPrefix("unknown field") == true)

        let rules = "&p [\((0..<3000).map { _ in "{port: 1}" }.joined(separator: ","))]"
        let policy = policyText(
            "podSelector: {}\ningress:\n- ports: \(rules)\n" + String(repeating: "- ports: *p\n", count: 1000))
        #expect(decode(policy).errors.first?.message == "the document is too large with all its aliases written out")
    }

    @Test func `nesting without end is an error`() {
        let text = "a: " + String(repeating: "[", count: 100_000)
        #expect(decode(text).errors.first?.message.hasPrefix("not YAML") == true)
    }
}
