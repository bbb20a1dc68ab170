import OCI

/// What reading every byte of a layout folder has shown.
public struct LayoutVerification: Sendable {
    public enum Fault: String, Sendable, Hashable {
        /// A manifest or blob that an image needs is not there.
        case missing
        /// The bytes are not those that the name stands for, or are no manifest where one is wanted.
        case damaged
        /// A descriptor and the file differ in size.
        case sizeMismatch
        /// A file that no image needs: worth a word, no damage.
        case unreferenced
        /// Something that does not belong in a layout, or is not a regular file.
        case foreign
    }

    public struct Finding: Sendable, Hashable {
        public let fault: Fault
        /// In words, with what was found and what was wanted.
        public let what: String
        public let digest: Digest?
        /// An image that has it, if any.
        public let image: String?
    }

    public internal(set) var images = 0
    public internal(set) var blobs = 0
    /// Bytes of all blobs that were read.
    public internal(set) var bytes: Int64 = 0
    public internal(set) var findings: [Finding] = []
    /// What images need and is missing or damaged, each once.
    var lost: [Lost] = []

    struct Lost: Sendable {
        /// As whatever points to it describes it.
        let descriptor: Descriptor
        let isManifest: Bool
        let repository: RepositoryName?
    }

    /// Whether every image is complete and right.
    public var isSound: Bool { findings.allSatisfy { $0.fault == .unreferenced || $0.fault == .foreign } }
}

extension Layout {
    private static let readsAtATime = 4

    /// Hashes every blob and follows every image down to its layers.
    ///
    /// - Parameter observe: told how many bytes have been read since it was told last.
    /// - Throws: only what keeps it from going on, such as an unreadable folder; damage is a finding.
    public func verify(observing observe: @escaping @Sendable (Int) -> Void = { _ in }) async throws
        -> LayoutVerification
    {
        let index = try await catalog.current()
        var walk = VerificationWalk(folder: folder)
        try await walk.readBlobs(limit: Layout.readsAtATime, observe)
        for entry in index.entries {
            walk.result.images += 1
            try await walk.follow(entry)
        }
        for (name, repository) in index.repositories {
            for (tag, entries) in repository.tags
            where Set(entries.map { $0.naming.registry ?? "" }).count < entries.count {
                walk.add(.damaged, ambiguous(name, tag, entries).description, nil, image: "\(name):\(tag)")
            }
        }
        walk.noteUnreferenced()
        walk.result.findings.sort { ($0.image ?? "\u{10ffff}", $0.what) < ($1.image ?? "\u{10ffff}", $1.what) }
        return walk.result
    }
}

private struct VerificationWalk {
    let folder: LayoutFolder
    var result = LayoutVerification()
    /// The files that are what their names say, with their sizes; nil for those that are not.
    private var files: [Digest: Int64?] = [:]
    private var seen: Set<Digest> = []

    init(folder: LayoutFolder) {
        self.folder = folder
    }

    mutating func add(_ fault: LayoutVerification.Fault, _ what: String, _ digest: Digest?, image: String?) {
        result.findings.append(LayoutVerification.Finding(fault: fault, what: what, digest: digest, image: image))
    }

    mutating func readBlobs(limit: Int, _ observe: @escaping @Sendable (Int) -> Void) async throws {
        let blobs = folder.path + "/blobs"
        guard try await folder.files.status(blobs, followLinks: false) != nil else { return }
        var digests: [Digest] = []
        for algorithm in try await folder.files.list(blobs) {
            guard Digest.Algorithm(rawValue: algorithm) != nil else {
                add(.foreign, "blobs/\(shown(algorithm)) does not belong in a layout", nil, image: nil)
                continue
            }
            for name in try await folder.files.list(blobs + "/" + algorithm) {
                do throws(OCIError) {
                    digests.append(try Digest(parsing: algorithm + ":" + name))
                } catch {
                    add(.foreign, "blobs/\(algorithm)/\(shown(name)) does not belong in a layout", nil, image: nil)
                }
            }
        }
        let checked = try await map(digests, limit: limit) { [folder] in try await folder.check($0, observe) }
        for (digest, outcome) in zip(digests, checked) {
            switch outcome {
            case .success(let size):
                files[digest] = size
                result.blobs += 1
                result.bytes += size
            case .failure(let error):
                files.updateValue(nil, forKey: digest)
                add(.damaged, error.description, digest, image: nil)
            }
        }
    }

    mutating func follow(_ entry: LayoutIndex.Entry) async throws {
        let image =
            [entry.naming.repository?.description, entry.naming.tag?.description].compactMap { $0 }
            .joined(separator: ":")
        let name = image.isEmpty ? entry.descriptor.digest.short : image
        let repository = entry.naming.repository
        var waiting = [entry.descriptor]
        while let descriptor = waiting.popLast() {
            guard check(descriptor, is: "manifest", of: repository, image: name) else { continue }
            let manifest: Manifest
            do {
                guard
                    let (bytes, _) = try await folder.read(
                        folder.path(of: descriptor.digest), upTo: Manifest.sizeLimit)
                else { continue }
                manifest = try Manifest(bytes, as: descriptor, from: shown(folder.path, limit: 1000))
            } catch let error as any Failure where error.kind == .damaged || error.kind == .policy {
                add(.damaged, error.description, descriptor.digest, image: name)
                continue
            }
            for child in manifest.children {
                if case .index = manifest.kind, child.mediaType.isManifest {
                    waiting.append(child)
                } else if !child.isForeign || files[child.digest] != nil {
                    _ = check(child, is: "blob", of: repository, image: name)
                }
            }
        }
    }

    /// - Returns: whether it is there and right, and seen for the first time.
    private mutating func check(
        _ descriptor: Descriptor, is role: String, of repository: RepositoryName?, image: String
    ) -> Bool {
        let digest = descriptor.digest
        if !seen.contains(digest), files[digest] != .some(descriptor.size) {
            result.lost.append(
                .init(descriptor: descriptor, isManifest: role == "manifest", repository: repository))
        }
        guard let file = files[digest] else {
            if seen.insert(digest).inserted {
                add(.missing, "\(role) \(digest) of \(image) is missing", digest, image: image)
            }
            return false
        }
        guard let size = file else {
            seen.insert(digest)
            return false
        }
        guard size == descriptor.size else {
            seen.insert(digest)
            add(
                .sizeMismatch, "\(role) \(digest) of \(image) has \(size) bytes, want \(descriptor.size)", digest,
                image: image)
            return false
        }
        return seen.insert(digest).inserted
    }

    mutating func noteUnreferenced() {
        for digest in files.keys where !seen.contains(digest) {
            add(.unreferenced, "blob \(digest) belongs to no image", digest, image: nil)
        }
    }
}

extension LayoutFolder {
    /// Reads a whole blob. What is wrong with it is a value; what keeps us from reading is thrown.
    fileprivate func check(_ digest: Digest, _ observe: @escaping @Sendable (Int) -> Void) async throws
        -> Result<Int64, ArchiveError>
    {
        do {
            guard let status = try await status(of: digest) else {
                return .failure(ArchiveError(.damaged, "blob \(digest) vanished while it was read"))
            }
            let blob = Descriptor(mediaType: .octetStream, digest: digest, size: status.size)
            try await read(blob, after: nil) { try await $0.observed(observe).verify() }
            return .success(status.size)
        } catch let error as any Failure where error.kind == .damaged || error.kind == .policy {
            return .failure(ArchiveError(.damaged, error.description))
        }
    }
}
