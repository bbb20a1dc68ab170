import Foundation
import Logging
import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

/// Public fixtures beside the package; tests that need them are skipped where they are absent.
enum Fixtures {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/fixtures")

    static var areThere: Bool { FileManager.default.fileExists(atPath: root.path) }

    static func json(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: bytes(path), in: path)
    }

    static func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: root.appending(path: path))) }
}

extension Surroundings {
    static let real = Surroundings(
        clock: ContinuousClock(), now: { Int64(Date().timeIntervalSince1970 * 1000) },
        random: { UInt64.random(in: 0 ... .max) })
}

extension RegistryOptions {
    /// Fast to give up, and without credentials of this machine.
    static func quick(_ change: (inout RegistryOptions) -> Void = { _ in }) -> RegistryOptions {
        var options = RegistryOptions()
        options.credentials = .anonymous
        options.retry = RetryPolicy(
            attempts: 3, firstDelay: .milliseconds(2), maximumDelay: .milliseconds(10), longestRetryAfter: .seconds(5))
        change(&options)
        return options
    }
}

/// Runs `body` with a registry, which is shut down after it.
func withRegistry<R>(
    _ host: String, _ options: RegistryOptions = .quick(), log: LogLines? = nil, _ body: (Registry) async throws -> R
) async throws -> R {
    let registry = try Registry(
        host: host, options: options, surroundings: .real,
        logger: log?.logger ?? Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    do {
        let result = try await body(registry)
        try await registry.shutdown()
        return result
    } catch {
        try await registry.shutdown()
        throw error
    }
}

/// A scripted server and its repository `team/app`.
func withScript<R>(
    _ options: RegistryOptions = .quick(), _ script: @escaping ScriptedRegistry.Script,
    _ body: (RemoteRepository, ScriptedRegistry) async throws -> R
) async throws -> R {
    try await withScript(options, early: { _ in nil }, script, body)
}

/// A server that answers some requests before they are complete.
func withScript<R>(
    _ options: RegistryOptions = .quick(), early: @escaping ScriptedRegistry.Script,
    _ script: @escaping ScriptedRegistry.Script, _ body: (RemoteRepository, ScriptedRegistry) async throws -> R
) async throws -> R {
    try await ScriptedRegistry.serve(early: early, script) { server in
        try await withRegistry(server.host, options) { registry in
            try await body(registry.repository(try RepositoryName("team/app")), server)
        }
    }
}

/// The failure that `body` ends with.
func failure<R>(_ body: () async throws -> R) async throws -> any Failure {
    do {
        _ = try await body()
    } catch let failure as any Failure {
        return failure
    }
    Issue.record("nothing was thrown")
    return OCIError(.internal, "nothing")
}

/// Bytes of a blob that are quick to make and hard to mix up: a block of noise, numbered.
func sample(_ count: Int, seed: UInt8 = 1) -> ByteBuffer {
    var block: [UInt8] = []
    var digest = Digest(of: [seed])
    while block.count < 4096 {
        block += digest.bytes
        digest = Digest(of: digest.bytes)
    }
    var buffer = ByteBufferAllocator().buffer(capacity: count + block.count + 8)
    var number: UInt64 = 0
    while buffer.readableBytes < count {
        buffer.writeInteger(number)
        buffer.writeBytes(block)
        number += 1
    }
    return buffer.readSlice(length: count) ?? buffer
}

extension Descriptor {
    static func layer(_ bytes: ByteBuffer) -> Descriptor { Descriptor(of: bytes, mediaType: .ociLayerGzip) }
}

/// A manifest with one layer, or the layers given.
func image(_ layers: [Descriptor], config: ByteBuffer = ByteBuffer(string: "{}"), subject: Descriptor? = nil) throws
    -> Manifest
{
    var members: [String: JSONValue] = [
        "schemaVersion": .number(2), "mediaType": .string(MediaType.ociManifest.rawValue),
        "config": Descriptor(of: config, mediaType: .ociConfig).json, "layers": .array(layers.map(\.json)),
    ]
    if let subject { members["subject"] = subject.json }
    return try Manifest(
        ByteBuffer(string: JSONValue.object(members).text), mediaType: .ociManifest, from: "test")
}

extension ScriptedAnswer {
    static func manifest(_ manifest: Manifest) -> ScriptedAnswer {
        ScriptedAnswer(
            200,
            [
                "Content-Type": manifest.descriptor.mediaType.rawValue,
                "Docker-Content-Digest": manifest.descriptor.digest.description,
            ], body: manifest.bytes)
    }

    static func json(_ text: String, _ headers: [(String, String)] = [], status: Int = 200) -> ScriptedAnswer {
        ScriptedAnswer(status, .init([("Content-Type", "application/json")] + headers), text: text)
    }

    static func error(_ status: Int, _ code: String, _ message: String = "no") -> ScriptedAnswer {
        .json(#"{"errors":[{"code":"\#(code)","message":"\#(message)"}]}"#, status: status)
    }
}

enum FileList {
    /// Paths of the JSON files of a fixture folder, relative to the fixtures.
    static func json(under folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: Fixtures.root.appending(path: folder).path)
            .filter { $0.hasSuffix(".json") }.map { folder + "/" + $0 }
    }
}

/// Bytes as gzip holds them without compressing them (RFC 1951, section 3.2.4; RFC 1952).
func gzipped(_ bytes: ByteBuffer) -> ByteBuffer {
    var result = ByteBuffer(bytes: [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
    var rest = bytes
    repeat {
        let count = min(rest.readableBytes, 0xffff)
        result.writeInteger(UInt8(count == rest.readableBytes ? 1 : 0))
        result.writeInteger(UInt16(count), endianness: .little)
        result.writeInteger(~UInt16(count), endianness: .little)
        if let part = rest.readSlice(length: count) { result.writeImmutableBuffer(part) }
    } while rest.readableBytes > 0
    var check = ~UInt32(0)
    for byte in bytes.readableBytesView {
        check ^= UInt32(byte)
        for _ in 0..<8 { check = check & 1 == 1 ? check >> 1 ^ 0xedb8_8320 : check >> 1 }
    }
    result.writeInteger(~check, endianness: .little)
    result.writeInteger(UInt32(truncatingIfNeeded: bytes.readableBytes), endianness: .little)
    return result
}

/// A registry that takes a token of its own token service, `t1`, `t2` and so on.
///
/// - Parameter isValid: whether it still takes a token for a request.
func tokenRegistry(
    isValid: @escaping @Sendable (_ token: String, _ request: ScriptedRequest) -> Bool = { _, _ in true },
    token: @escaping @Sendable (_ number: Int) -> ScriptedAnswer = { .json(#"{"token":"t\#($0)","expires_in":300}"#) },
    _ answer: @escaping @Sendable (ScriptedRequest) -> ScriptedAnswer?
) -> ScriptedRegistry.Script {
    let count = Mutex(0)
    return { request in
        if request.path == "/token" {
            return token(
                count.withLock { count in
                    count += 1
                    return count
                })
        }
        guard let header = request.header("Authorization"), header.hasPrefix("Bearer "),
            isValid(String(header.dropFirst("Bearer ".count)), request)
        else {
            let realm = "http://\(request.header("Host") ?? "")/token"
            return ScriptedAnswer(401, ["WWW-Authenticate": "Bearer realm=\"\(realm)\",service=\"s\""])
        }
        return answer(request)
    }
}

/// Keeps what is logged, at every level.
final class LogLines: Sendable {
    private let kept = Mutex<[String]>([])

    var lines: [String] { kept.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.kept.withLock {
                $0.append("\(event.message) \(event.metadata ?? [:]) \(event.error.map { "\($0)" } ?? "")")
            }
        }
    }
}
