// What a fuzzer calls: `make fuzz`. Built only with LIFEBOAT_FUZZ in the environment (Package.swift).
import Glibc
import NIOCore
import OCI

@testable import Lifeboat
@testable import OCIArchive
@testable import OCIRegistry

/// What reads bytes from outside. Any error that is thrown is right; a crash, a hang or a broken promise is a finding.
private enum Target: String, CaseIterable {
    case tar, contents, record, json, manifest, reference, pipeline, challenge, link
    case contentRange = "content-range"
    case dockerConfig = "docker-config"

    func run(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let buffer = ByteBuffer(bytes: bytes)
        switch self {
        case .tar: try tar(buffer)
        case .contents:
            var reader = ArchiveContentsReader(archive: "fuzz")
            try reader.take(buffer)
        case .record:
            var reader = BackupRecordReader(place: "fuzz")
            try reader.take(buffer) { _ in }
            _ = try reader.finish()
        case .json:
            let value = try JSONValue(parsing: buffer, in: "fuzz")
            // What is written can be read, and says the same.
            let again = try JSONValue(parsing: ByteBuffer(string: value.text), in: "fuzz")
            precondition(again == value, "written JSON says something else")
        case .manifest:
            for type in [MediaType.ociManifest, .ociIndex] {
                _ = try Manifest(buffer, mediaType: type, from: "fuzz").children
            }
        case .reference:
            let reference = try Reference(parsing: text)
            let again = try Reference(parsing: reference.description)
            precondition(again == reference, "\(reference) reads as \(again)")
        case .pipeline: _ = try Pipeline(parsing: bytes, file: "fuzz.yaml", variables: ["HOST": "example.com"])
        case .challenge: _ = Challenge.parse([text])
        case .link:
            guard let page = WebAddress(parsing: "https://registry.example.com/v2/_catalog") else { return }
            let next = try LinkHeader.next(in: [text], from: page)
            precondition(next.map { $0.hasSameOrigin(as: page) } ?? true, "a page of another origin")
        case .contentRange: _ = ContentRange([text])
        case .dockerConfig: _ = try DockerConfig(parsing: bytes, path: "fuzz")
        }
    }

    private func tar(_ bytes: ByteBuffer) throws {
        var parser = TarParser(archive: "fuzz")
        var last: Int64 = -1
        while !parser.isAtEnd {
            let (offset, count) = parser.wanted
            precondition(offset > last, "the tar is read backwards")
            last = offset
            let start = Int(min(offset, Int64(bytes.readableBytes)))
            let slice = bytes.getSlice(at: start, length: min(count, bytes.readableBytes - start)) ?? ByteBuffer()
            _ = try parser.take(slice)
        }
    }
}

private let target: Target = {
    let name = getenv("LIFEBOAT_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = Target(rawValue: name) else {
        fputs("LIFEBOAT_FUZZ_TARGET is one of \(Target.allCases.map(\.rawValue).joined(separator: ", "))\n", stderr)
        exit(64)
    }
    return target
}()

/// libFuzzer's loop, which its runtime brings (compiler-rt, FuzzerInterface.h).
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ one: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@main private enum Fuzz {
    static func main() {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(
            runFuzzer(&count, &arguments) { start, count in
                do {
                    try target.run(Array(UnsafeBufferPointer(start: start, count: count)))
                } catch {
                    // Refused, as it should be; its words must be fit to be shown.
                    _ = "\(error)"
                }
                return 0
            })
    }
}
