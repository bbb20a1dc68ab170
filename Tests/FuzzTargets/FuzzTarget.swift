import Foundation
import NIOCore
import OCI

@testable import Lifeboat
@testable import OCIArchive
@testable import OCIRegistry

/// What reads bytes from outside, each as one call: for libFuzzer (`make fuzz`), and for the inputs that are kept.
public enum FuzzTarget: String, CaseIterable, Sendable {
    case tar, contents, record, json, manifest, index, reference, pipeline, challenge, link
    case contentRange = "content-range"
    case dockerConfig = "docker-config"

    /// A promise that an input has broken.
    public struct Finding: Error, CustomStringConvertible {
        public let description: String
    }

    /// Any error that has words is a right answer; a crash, a hang or a `Finding` is not.
    public func run(_ bytes: [UInt8]) throws(Finding) {
        do {
            try take(bytes)
        } catch let finding as Finding {
            throw finding
        } catch let failure as any Failure {
            // Whatever came in, the words can be printed on a line of a log.
            let words = failure.description + (failure.advice ?? "")
            // The faults of a definition come in one go, a line each, which begins with the file.
            let lines = self == .pipeline ? words.components(separatedBy: "\n") : [words]
            guard
                lines.allSatisfy({ $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f } }),
                lines.dropFirst().allSatisfy({ $0.hasPrefix("fuzz.yaml:") })
            else {
                throw Finding(description: "\(self): control characters in '\(words)'")
            }
            guard failure.kind != .internal else { throw Finding(description: "\(self): \(words)") }
        } catch {
            throw Finding(description: "\(self): an error without a class: \(error)")
        }
    }

    private func take(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let buffer = ByteBuffer(bytes: bytes)
        switch self {
        case .tar: try takeTar(buffer)
        case .contents:
            var reader = ArchiveContentsReader(archive: "fuzz")
            try reader.take(buffer)
            let (contents, id) = try reader.finish()
            try expect(contents.encoded() == buffer && id == Digest(of: buffer), "other contents when written again")
            _ = try ArchiveMap(contents, id: id, contentsSize: Int64(bytes.count), archive: "fuzz")
        case .record:
            var reader = BackupRecordReader(place: "fuzz")
            try reader.take(buffer) { _ in }
            _ = try reader.finish()
        case .json:
            let value = try JSONValue(parsing: buffer, in: "fuzz")
            let again = try JSONValue(parsing: ByteBuffer(string: value.text), in: "fuzz")
            try expect(again == value, "written JSON says something else")
        case .manifest:
            for type in [MediaType.ociManifest, .ociIndex] {
                let manifest = try Manifest(buffer, mediaType: type, from: "fuzz")
                try expect(manifest.bytes == buffer, "a manifest has other bytes")
                _ = manifest.children
            }
        case .index: _ = try LayoutIndex(parsing: buffer, in: "fuzz", defaultRepository: nil)
        case .reference:
            let reference = try Reference(parsing: text)
            let again = try Reference(parsing: reference.description)
            try expect(again == reference, "\(reference) reads as \(again)")
        case .pipeline: _ = try Pipeline(parsing: bytes, file: "fuzz.yaml", variables: ["HOST": "example.com"])
        case .challenge: _ = Challenge.parse([text])
        case .link:
            guard let page = WebAddress(parsing: "https://registry.example.com/v2/_catalog") else { return }
            let next = try LinkHeader.next(in: [text], from: page)
            try expect(next.map { $0.hasSameOrigin(as: page) } ?? true, "a page of another origin")
        case .contentRange: _ = ContentRange([text])
        case .dockerConfig: _ = try DockerConfig(parsing: bytes, path: "fuzz")
        }
    }

    /// Entry by entry, as the readers do.
    private func takeTar(_ bytes: ByteBuffer) throws {
        var parser = TarParser(archive: "fuzz")
        var last: Int64 = -1
        while !parser.isAtEnd {
            let (offset, count) = parser.wanted
            try expect(offset > last && count > 0, "the tar is read backwards")
            last = offset
            let start = Int(min(offset, Int64(bytes.readableBytes)))
            let slice = bytes.getSlice(at: start, length: min(count, bytes.readableBytes - start)) ?? ByteBuffer()
            if let entry = try parser.take(slice) {
                try expect(
                    entry.size >= 0 && entry.contentOffset > entry.headerOffset, "an entry that ends before it begins")
                if let path = entry.path {
                    try expect(
                        !path.hasPrefix("/") && !path.split(separator: "/").contains(".."),
                        "a path that leads elsewhere")
                }
            }
        }
    }

    private func expect(_ holds: Bool, _ promise: String) throws(Finding) {
        if !holds { throw Finding(description: "\(self): \(promise)") }
    }

    /// What it is made to read, to begin with.
    public var examples: [[UInt8]] {
        switch self {
        case .tar:
            let entry = TarHeader.bytes(name: "blobs/sha256/" + String(repeating: "a", count: 128), size: 5)
            var long = Array(entry.readableBytesView)
            long += Array("hello".utf8) + [UInt8](repeating: 0, count: 507 + 1024)
            return [long, Array(TarEntryBytes.whole("oci-layout", ArchiveNames.layoutBytes).readableBytesView)]
        case .contents:
            var contents = ArchiveContents()
            contents.images = [
                NamedImage(
                    registry: "r.example.com", repository: Self.name, tag: nil,
                    descriptor: Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociManifest))
            ]
            contents.blobs = [ArchivedBlob(digest: Digest(of: [UInt8]()), size: 0, role: .layer)]
            contents.files = ArchivePlan.files(of: contents)
            return [Array(contents.encoded().readableBytesView)]
        case .record: return [Array(#"{"record":"backup","version":1}"#.utf8)]
        case .json: return [Array(#"{"a":[1,-2.5e3,"b\n\u00e9\ud83d\ude00",true,null,{}]}"#.utf8)]
        case .manifest:
            let digest = Digest(of: [UInt8]()).description
            return [
                Array(
                    #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\#(digest)","size":0},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\#(digest)","size":0,"urls":["http://x/"],"annotations":{"a":"b"}}],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(digest)","size":7}}"#
                        .utf8)
            ]
        case .index:
            let digest = Digest(of: [UInt8]()).description
            return [
                Array(
                    #"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(digest)","size":7,"platform":{"os":"linux","architecture":"amd64"},"annotations":{"org.opencontainers.image.ref.name":"team/app:1","io.containerd.image.name":"r.example.com/team/app:1"}}]}"#
                        .utf8)
            ]
        case .reference:
            return [
                Array("registry.example.com:5000/team/app:1.2@\(Digest(of: [UInt8]()))".utf8), Array("debian".utf8),
            ]
        case .pipeline:
            return [
                Array(
                    """
                    version: 1
                    name: nightly
                    inputs: {at: {default: latest}}
                    stores:
                      prod: {registry: $HOST, credentials: docker, limits: {connections: 8, requests: 50/s, bandwidth: 200MB/s}}
                      out: {archive: "out/images-{date}.tar"}
                    images:
                      - {repositories: ["team/**"], except: [team/x], tags: {include: ["*"], semver: ">=1.2 <3"}}
                    steps:
                      - {name: backup, export: {from: prod, to: out, onError: continue}}
                    schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}

                    """.utf8)
            ]
        case .challenge:
            return [
                Array(
                    #"Bearer realm="https://auth.example.com/token",service="r",scope="repository:a/b:pull,push", Basic realm="x\"y""#
                        .utf8)
            ]
        case .link: return [Array(#"</v2/_catalog?last=b&n=100>; rel="next", <http://x/>; rel=prev"#.utf8)]
        case .contentRange: return [Array("bytes 0-1023/146515".utf8), Array("bytes */5".utf8)]
        case .dockerConfig:
            return [
                Array(#"{"auths":{"r.example.com":{"auth":"dTpw"}},"credHelpers":{"x":"y"},"credsStore":"z"}"#.utf8)
            ]
        }
    }

    /// What mutations are made of.
    public var words: [String] {
        [
            "\"", "\\", "{", "}", "[", "]", ":", ",", "&a", "*a", "<<", "!!", "- ", "\n", "\u{0}", "\u{feff}", "..",
            "/", "@",
            "9223372036854775807", "-1", "1e999", "sha256:", "sha512:", "\u{1b}[2J", "\u{202e}", "size=99999999999\n",
            "0000",
        ]
    }

    private static let name: RepositoryName = {
        do { return try RepositoryName("team/app") } catch { preconditionFailure("\(error)") }
    }()
}
