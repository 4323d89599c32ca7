// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// For what stays resident: relocations as a bitmap instead of 24 bytes each (glibc 2.36), and no table of exported
/// symbols, which the static standard library's flags ask for and whose every entry keeps its code from being dropped.
let small: [LinkerSetting] = [
    .unsafeFlags(
        ["-use-ld=lld", "-z", "pack-relative-relocs", "--no-export-dynamic"].flatMap {
            $0.hasPrefix("-use") ? [$0] : ["-Xlinker", $0]
        }, .when(configuration: .release))
]

let asyncAlgorithms: Target.Dependency = .product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
    name: "skein",
    products: [
        .executable(name: "skein-agent", targets: ["skein-agent"]),
        .executable(name: "skein-cni", targets: ["skein-cni"]),
        .executable(name: "skein", targets: ["skein"]),
        .executable(name: "skein-cluster", targets: ["skein-cluster"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.4"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: ["FullFoundation"]),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        // Kernel layer: C shims and what is built right on system calls.
        .target(name: "CDatapathABI", path: "bpf/abi", publicHeadersPath: "."),
        .target(name: "CLinux"),
        .target(
            name: "CLibbpf",
            linkerSettings: [.linkedLibrary("bpf"), .linkedLibrary("elf"), .linkedLibrary("z")]),
        .target(name: "NetTypes", swiftSettings: strict),
        .target(name: "Kernel", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "Netlink", dependencies: ["CLinux", "Kernel", "NetTypes"], swiftSettings: strict),
        .target(name: "BPF", dependencies: ["CLibbpf", "Kernel"], swiftSettings: strict),

        // Domain: pure values, no files, clocks or kernel.
        .target(name: "Model", dependencies: ["NetTypes"], swiftSettings: strict),
        .target(name: "ObjectDecoding", dependencies: ["Model", "NetTypes"], swiftSettings: strict),
        .target(name: "PolicyEngine", dependencies: ["Model", "NetTypes"], swiftSettings: strict),
        .target(name: "IPAM", dependencies: ["NetTypes"], swiftSettings: strict),

        // Adapters between the domain and the world.
        .target(
            name: "Datapath",
            dependencies: ["BPF", "CDatapathABI", "Kernel", "NetTypes", "Netlink", "PolicyEngine"],
            swiftSettings: strict),
        .target(
            name: "Manifests", dependencies: ["Kernel", "Model", "NetTypes", "ObjectDecoding", logging, yams],
            swiftSettings: strict),
        .target(
            name: "KubeClient",
            dependencies: [
                "NetTypes", asyncAlgorithms, asyncHTTPClient, lifecycle, logging, nioCore, nioHTTP1, nioPosix, nioSSL,
                subprocess, systemPackage, yams,
            ],
            swiftSettings: strict),
        .target(name: "TextLayout", swiftSettings: strict),
        .target(name: "LineLogging", dependencies: [logging], swiftSettings: strict),
        .target(name: "AgentIPC", dependencies: ["NetTypes"], swiftSettings: strict),
        .target(name: "AgentAPI", dependencies: ["AgentIPC"], swiftSettings: strict),

        // Composition.
        .target(
            name: "ClusterSync",
            dependencies: ["Kernel", "KubeClient", "Model", "NetTypes", "ObjectDecoding", lifecycle, logging],
            swiftSettings: strict),
        .target(
            name: "CNIPlugin", dependencies: ["AgentIPC", "Kernel", "NetTypes", "Netlink"], swiftSettings: strict),
        .target(
            name: "AgentCore",
            dependencies: [
                "AgentAPI", "AgentIPC", "BPF", "Datapath", "IPAM", "Kernel", "Manifests", "Model", "NetTypes",
                "Netlink", "PolicyEngine", hummingbird, lifecycle, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "OperatorCore",
            dependencies: ["IPAM", "KubeClient", "NetTypes", hummingbird, lifecycle, logging, yams],
            swiftSettings: strict),

        .target(
            name: "ClusterScope", dependencies: ["KubeClient", "NetTypes", "TextLayout", systemPackage],
            swiftSettings: strict),

        .target(
            name: "ProgramOptions",
            dependencies: ["KubeClient", "LineLogging", "NetTypes", argumentParser, logging],
            swiftSettings: strict),

        // Executables. The operator is a second name of the agent's program: nearly all that it links is in there already.
        .target(
            name: "OperatorProgram",
            dependencies: [
                "KubeClient", "NetTypes", "OperatorCore", "ProgramOptions", argumentParser, lifecycle, signals,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "skein-agent",
            dependencies: [
                "AgentCore", "ClusterSync", "Datapath", "KubeClient", "Model", "NetTypes", "OperatorProgram",
                "ProgramOptions", argumentParser, lifecycle, logging, signals,
            ],
            swiftSettings: strict, linkerSettings: small),
        // Fully static (with --static-swift-stdlib, as make does it): it is started for every pod, and starts in half the
        // time without a dynamic loader. Nothing that it links may import Foundation: the runtime would search its
        // conformances and the kernel page in its tables, which takes as long as the rest of the plugin.
        .executableTarget(
            name: "skein-cni", dependencies: ["CNIPlugin"], swiftSettings: strict,
            linkerSettings: [.unsafeFlags(["-static-executable"], .when(configuration: .release))]),
        .executableTarget(
            name: "skein", dependencies: ["AgentAPI", "AgentIPC", "NetTypes", "TextLayout", argumentParser],
            swiftSettings: strict, linkerSettings: small),
        // A program of its own: with an HTTP client, TLS and Foundation in it, skein would take twice as long to start
        // and five times as much of the image.
        .executableTarget(
            name: "skein-cluster",
            dependencies: [
                "ClusterScope", "KubeClient", "ProgramOptions", "TextLayout", argumentParser, logging, signals,
                systemPackage,
            ],
            swiftSettings: strict, linkerSettings: small),

        // Tests: pure ones by module, then what needs root and a kernel.
        .target(
            name: "TestSupport", dependencies: ["AgentAPI", "AgentIPC", "Kernel", "NetTypes", "Netlink"],
            path: "Tests/TestSupport", swiftSettings: strict),
        .target(
            name: "KubeTestSupport",
            dependencies: ["KubeClient", logging, nioCore, nioHTTP1, nioPosix, nioSSL],
            path: "Tests/KubeTestSupport", swiftSettings: strict),
        .testTarget(name: "NetTypesTests", dependencies: ["NetTypes"], swiftSettings: strict),
        .testTarget(name: "KernelTests", dependencies: ["Kernel"], swiftSettings: strict),
        .testTarget(
            name: "NetlinkTests", dependencies: ["Kernel", "NetTypes", "Netlink"], swiftSettings: strict),
        .testTarget(name: "BPFTests", dependencies: ["BPF", "Kernel", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "ModelTests", dependencies: ["Model", "NetTypes"], swiftSettings: strict),
        .testTarget(
            name: "ObjectDecodingTests", dependencies: ["Model", "ObjectDecoding"], swiftSettings: strict),
        .testTarget(
            name: "PolicyEngineTests", dependencies: ["Model", "NetTypes", "PolicyEngine"], swiftSettings: strict),
        .testTarget(name: "IPAMTests", dependencies: ["IPAM", "NetTypes"], swiftSettings: strict),
        .testTarget(
            name: "ManifestsTests",
            dependencies: ["Kernel", "Manifests", "Model", "NetTypes", "ObjectDecoding", logging],
            swiftSettings: strict),
        .testTarget(name: "AgentIPCTests", dependencies: ["AgentAPI", "AgentIPC", "NetTypes"], swiftSettings: strict),
        .testTarget(
            name: "KubeClientTests",
            dependencies: [
                "KubeClient", "KubeTestSupport", "NetTypes", lifecycle, nioCore, nioPosix, nioSSL, subprocess,
                systemPackage,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ClusterSyncTests",
            dependencies: ["ClusterSync", "KubeClient", "KubeTestSupport", "Model", "NetTypes"],
            swiftSettings: strict),
        .testTarget(
            name: "CNIPluginTests", dependencies: ["AgentAPI", "AgentIPC", "CNIPlugin", "NetTypes"],
            swiftSettings: strict),
        .testTarget(
            name: "OperatorCoreTests",
            dependencies: [
                "KubeClient", "KubeTestSupport", "NetTypes", "OperatorCore", lifecycle,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ClusterScopeTests",
            dependencies: ["ClusterScope", "KubeClient", "KubeTestSupport", "NetTypes", subprocess, systemPackage],
            swiftSettings: strict),
        .testTarget(
            name: "AgentCoreTests",
            dependencies: [
                "AgentAPI", "AgentCore", "AgentIPC", "Datapath", "Kernel", "Model", "NetTypes", "Netlink",
                "PolicyEngine", "TestSupport", lifecycle, logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DatapathTests",
            dependencies: [
                "BPF", "CDatapathABI", "Datapath", "Kernel", "Model", "NetTypes", "Netlink", "PolicyEngine",
                "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "NetnsTests", dependencies: ["AgentAPI", "AgentIPC", "Kernel", "NetTypes", "Netlink", "TestSupport"],
            swiftSettings: strict),
        .target(name: "BenchReport", path: "Tests/BenchReport", swiftSettings: strict),
        .executableTarget(
            name: "skein-bench",
            dependencies: [
                "AgentAPI", "AgentIPC", "BPF", "BenchReport", "CDatapathABI", "Datapath", "Kernel", "Model", "NetTypes",
                "Netlink", "PolicyEngine", "TestSupport", argumentParser,
            ],
            path: "Tests/Bench", swiftSettings: strict),
        .executableTarget(
            name: "skein-scale",
            dependencies: [
                "BPF", "BenchReport", "CDatapathABI", "Datapath", "KubeClient", "LineLogging", "Model", "NetTypes",
                argumentParser, logging,
            ],
            path: "Tests/Scale", swiftSettings: strict),
    ]
)
