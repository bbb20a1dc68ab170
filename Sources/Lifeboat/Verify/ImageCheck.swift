import OCI
import Synchronization

/// Reads every byte of one image and names all that is missing or damaged, not only the first.
struct ImageCheck: Sendable {
    let source: any ImageSource
    /// Whether whatever refers to the image belongs to it.
    var followsReferrers = true
    /// Blobs under way at once.
    var concurrency = 6
    /// Is told of bytes as they are read.
    var moved: @Sendable (_ bytes: Int) -> Void = { _ in }

    struct Result: Sendable {
        var findings: [PartFinding] = []
        /// Every manifest that could be read, parents before children.
        var manifests: [Manifest] = []
        var blobs: [Descriptor] = []
        var bytes: Int64 = 0
    }

    /// - Throws: what is no matter of single parts: the image is too large to be one, the registry is gone.
    func run(_ root: Descriptor) async throws -> Result {
        var result = Result()
        var seen: Set<Digest> = []
        var waiting = [(root, 0)]
        var blobs: [Descriptor] = []
        var known: Set<Digest> = []
        while let (descriptor, depth) = waiting.popLast() {
            guard seen.insert(descriptor.digest).inserted else { continue }
            guard depth <= ImageGraph.depthLimit, seen.count + known.count <= ImageGraph.nodeLimit else {
                throw LifeboatError(
                    .policy, "\(source.name)@\(root.digest.short) is nested deeper or has more parts than the limit")
            }
            let manifest: Manifest
            do {
                manifest = try await source.manifest(descriptor)
            } catch let error as any Failure where ImageCheck.isAboutPart(error) {
                result.findings.append(finding(descriptor, "manifest", error))
                continue
            }
            result.manifests.append(manifest)
            for child in manifest.children {
                if child.mediaType.isManifest {
                    waiting.append((child, depth + 1))
                } else if !child.isForeign, known.insert(child.digest).inserted {
                    blobs.append(child)
                }
            }
            guard followsReferrers else { continue }
            for referrer in try await source.referrers(of: descriptor.digest) { waiting.append((referrer, depth + 1)) }
        }
        let read = try await map(blobs, limit: concurrency) { blob -> PartFinding? in
            do {
                try await source.read(blob) { [moved] content in try await content.observed(moved).verify() }
                return nil
            } catch let error as any Failure where ImageCheck.isAboutPart(error) {
                return finding(blob, "blob", error)
            }
        }
        result.findings += read.compactMap { $0 }
        result.blobs = blobs
        result.bytes = (blobs.map(\.size) + result.manifests.map(\.descriptor.size)).reduce(0, +)
        return result
    }

    private func finding(_ part: Descriptor, _ what: String, _ error: any Failure) -> PartFinding {
        PartFinding(digest: part.digest, what: what, kind: error.kind, message: error.description)
    }

    /// Whether other parts may still be read.
    private static func isAboutPart(_ error: any Failure) -> Bool {
        [.damaged, .notFound, .protocolViolation, .policy, .auth].contains(error.kind)
    }
}
