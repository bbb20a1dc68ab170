// swift-tools-version:6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "lifeboat",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "lifeboat", targets: ["LifeboatCLI"]),
        .library(name: "OCI", targets: ["OCI"]),
        .library(name: "OCIRegistry", targets: ["OCIRegistry"]),
        .library(name: "OCIArchive", targets: ["OCIArchive"]),
        .library(name: "OCIServer", targets: ["OCIServer"]),
        .library(name: "Lifeboat", targets: ["Lifeboat"]),
        .library(name: "LifeboatCatalog", targets: ["LifeboatCatalog"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(
            name: "OCI",
            dependencies: [nioCore, .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),
        .target(
            name: "OCIRegistry",
            dependencies: [
                "OCI", "CZlib", nioCore, nioPosix, logging,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            swiftSettings: strict),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(
            name: "CArchive", pkgConfig: "libarchive",
            providers: [.apt(["libarchive-dev", "liblzma-dev", "zlib1g-dev"])]),
        .target(
            name: "OCIArchive",
            dependencies: ["OCI", "CArchive", nioCore, nioPosix],
            swiftSettings: strict),
        .target(
            name: "OCIServer",
            dependencies: [
                "OCI", nioCore, logging,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .target(
            name: "Lifeboat",
            dependencies: ["OCI", "OCIRegistry", "OCIArchive", nioCore, logging, "Yams"],
            swiftSettings: strict),
        .target(
            name: "LifeboatCatalog",
            dependencies: ["Lifeboat", "OCI", "OCIArchive", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),
        .executableTarget(
            name: "LifeboatCLI",
            dependencies: [
                "Lifeboat", "LifeboatCatalog", "OCIServer", nioCore, logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        .target(
            name: "TestSupport",
            dependencies: [
                "OCI", "OCIServer", "OCIArchive", nioCore, nioPosix,
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(name: "OCITests", dependencies: ["OCI", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "OCIRegistryTests",
            dependencies: [
                "OCIRegistry", "OCI", "TestSupport", nioCore, logging,
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "OCIArchiveTests", dependencies: ["OCIArchive", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "OCIServerTests", dependencies: ["OCIServer", "OCIRegistry", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "LifeboatTests",
            dependencies: ["Lifeboat", "TestSupport", "Yams", .product(name: "NIOHTTP1", package: "swift-nio")],
            swiftSettings: strict),
        .testTarget(
            name: "LifeboatCatalogTests", dependencies: ["LifeboatCatalog", "Lifeboat", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "LifeboatCLITests", dependencies: ["Lifeboat", "LifeboatCLI", "TestSupport", "Yams"],
            swiftSettings: strict),
        .testTarget(
            name: "TortureTests",
            dependencies: [
                "Lifeboat", "OCIArchive", "OCIRegistry", "TestSupport", "FuzzTargets", nioCore, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "FuzzTargets", dependencies: ["OCI", "OCIArchive", "OCIRegistry", "Lifeboat", nioCore],
            path: "Tests/FuzzTargets", swiftSettings: strict),
    ]
)

// What `make fuzz` builds: it links only with `-sanitize=fuzzer`.
if Context.environment["LIFEBOAT_FUZZ"] != nil {
    package.targets += [
        .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: ["FuzzTargets", "CFuzzer"], path: "Tests/Fuzz", exclude: ["inputs", "CFuzzer"],
            swiftSettings: strict),
    ]
}
