// SPDX-License-Identifier: Apache-2.0
import AgentCore
import Model
import Testing

/// What the options for the source say together.
struct SourceChoiceTests {
    private static func options(_ change: (inout SourceChoice.Options) -> Void) -> SourceChoice.Options {
        var options = SourceChoice.Options()
        change(&options)
        return options
    }

    @Test func `a folder, with ranges, needs nothing else`() throws {
        let options = Self.options {
            $0.manifests = "/m"
            $0.hasPodCIDR = true
            $0.environmentNodeName = "whatever"
        }
        #expect(try SourceChoice(options) == .folder("/m"))
    }

    @Test func `a node of a cluster has the name that is given, else the environment's`() throws {
        let inCluster = Self.options {
            $0.inCluster = true
            $0.environmentNodeName = "node-1"
        }
        #expect(
            try SourceChoice(inCluster)
                == .cluster(
                    .init(
                        credentials: .inCluster, nodeName: "node-1", podRanges: .kubernetes, labelFilter: .standard)))
        let outside = Self.options {
            $0.kubeconfig = "/k"
            $0.nodeName = "node-2"
            $0.environmentNodeName = "node-1"
            $0.podRanges = .clusterPool
            $0.identityLabels = ["job-name", "!build"]
        }
        guard case .cluster(let cluster) = try SourceChoice(outside) else {
            Issue.record("no cluster")
            return
        }
        #expect(cluster.credentials == .kubeconfig("/k"))
        #expect(cluster.nodeName == "node-2")
        #expect(cluster.podRanges == .clusterPool)
        #expect(cluster.labelFilter.keeps("job-name", of: .pod))
        #expect(!cluster.labelFilter.keeps("build", of: .pod))
        #expect(!cluster.labelFilter.keeps("pod-template-hash", of: .pod))
    }

    @Test(arguments: [
        (options { _ in }, "--manifests, --kubeconfig or --in-cluster is missing: where are the policies?"),
        (
            options {
                $0.manifests = "/m"
                $0.inCluster = true
            }, "--manifests and --in-cluster contradict each other: objects have one source"
        ),
        (
            options {
                $0.kubeconfig = "/k"
                $0.inCluster = true
            }, "--kubeconfig and --in-cluster contradict each other: objects have one source"
        ),
        (options { $0.manifests = "/m" }, "--pod-cidr is missing: which addresses may pods have?"),
        (
            options {
                $0.manifests = "/m"
                $0.hasPodCIDR = true
                $0.podRanges = .kubernetes
            }, "--ipam is for a node of a cluster, and --manifests is for one without"
        ),
        (
            options {
                $0.manifests = "/m"
                $0.hasPodCIDR = true
                $0.nodeName = "n"
            }, "--node-name is for a node of a cluster, and --manifests is for one without"
        ),
        (
            options {
                $0.manifests = "/m"
                $0.hasPodCIDR = true
                $0.identityLabels = ["app"]
            }, "--identity-labels is for a node of a cluster, and --manifests is for one without"
        ),
        (
            options {
                $0.inCluster = true
                $0.nodeName = "n"
                $0.hasPodCIDR = true
            },
            "--pod-cidr is for --manifests: in a cluster the node's SkeinNode says which addresses pods have, see --ipam"
        ),
        (
            options {
                $0.inCluster = true
                $0.environmentNodeName = ""
            }, "--node-name is missing, and NODE_NAME in the environment too: which node is this?"
        ),
        (
            options {
                $0.inCluster = true
                $0.environmentNodeName = "Node_1"
            },
            "NODE_NAME: \"Node_1\" must be lower case letters, digits, '-' and '.', each part beginning and ending with a "
                + "letter or digit"
        ),
        (
            options {
                $0.inCluster = true
                $0.nodeName = "n"
                $0.identityLabels = ["a b"]
            },
            "--identity-labels: \"a b\" is no pattern of labels' keys, such as app, !*.example.com/build or namespace:team"
        ),
    ])
    func `what can't be meant is refused by its names`(options: SourceChoice.Options, message: String) {
        let error = #expect(throws: SourceChoice.Contradiction.self) { try SourceChoice(options) }
        #expect(error?.description == message)
    }
}
