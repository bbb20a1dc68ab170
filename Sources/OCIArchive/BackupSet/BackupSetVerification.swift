import OCI

/// What reading every byte of a set has shown.
public struct BackupSetVerification: Sendable {
    public struct Finding: Sendable {
        public let description: String
        public let advice: String?
        /// The blob that is missing or damaged; nil for a record or evidence.
        public let blob: Digest?
        /// Images that need it, as `repository:tag`, each once.
        public let images: [String]
        /// Backups that need it, by their names.
        public let backups: [String]
    }

    /// Backups whose records could be read.
    public internal(set) var backups = 0
    /// Images of all backups, those of one name and digest once.
    public internal(set) var images = 0
    /// Blobs that were read.
    public internal(set) var blobs = 0
    public internal(set) var bytes: Int64 = 0
    /// Blobs that no backup needs.
    public internal(set) var unreferenced = 0
    public internal(set) var findings: [Finding] = []
    /// Why the set could not be told what was found, such as on a disk that can only be read.
    public internal(set) var unwritten: FileError?

    public var isSound: Bool { findings.isEmpty }
}

extension BackupSet {
    private static let readsAtATime = 4
    /// Images and backups that a finding names.
    private static let namesShown = 5

    /// Hashes every blob of all backups, each once, and writes what it found into `evidence/`.
    ///
    /// - Parameter observe: told how many bytes have been read since it was told last.
    /// - Throws: only what keeps it from going on; damage is a finding.
    public func verify(observing observe: @escaping @Sendable (Int) -> Void = { _ in }) async throws
        -> BackupSetVerification
    {
        var result = BackupSetVerification()
        let (backups, damagedRecords) = try await listing()
        for record in damagedRecords {
            result.findings.append(
                .init(
                    description: record.error.description, advice: record.error.advice, blob: nil, images: [],
                    backups: [record.file]))
        }
        for alarm in try await state().alarms where alarm.kind != .damagedRecord {
            result.findings.append(
                .init(description: alarm.description, advice: alarm.advice, blob: nil, images: [], backups: []))
        }
        var sizes: [Digest: Int64] = [:]
        var readable: [Backup] = []
        var names: Set<String> = []
        for backup in backups {
            do {
                try await forEachBlob(of: backup) { sizes[$0.digest] = $0.size }
                try await forEachImage(of: backup) { names.insert("\($0.fullName) \($0.descriptor.digest)") }
                readable.append(backup)
            } catch let error as any Failure where error.kind == .damaged {
                result.findings.append(
                    .init(
                        description: error.description, advice: error.advice, blob: nil, images: [],
                        backups: [backup.name]))
            }
        }
        result.backups = readable.count
        result.images = names.count
        let blobs = sizes.map { Descriptor(mediaType: .octetStream, digest: $0.key, size: $0.value) }
            .sorted { $0.digest < $1.digest }
        let checked = try await map(blobs, limit: BackupSet.readsAtATime) { try await check($0, observe) }
        var damaged: [Digest: (text: String, modified: Int64?)] = [:]
        for (blob, fault) in zip(blobs, checked) {
            if let fault {
                damaged[blob.digest] = fault
            } else {
                result.blobs += 1
                result.bytes += blob.size
            }
        }
        let touched = try await touched(by: Set(damaged.keys), in: readable)
        for (digest, fault) in damaged.sorted(by: { $0.key < $1.key }) {
            let (images, names) = touched.blobs[digest] ?? ([], [])
            result.findings.append(
                .init(
                    description: fault.text + BackupSet.text(images, names),
                    advice: "the next export to the set fetches it again, as long as its source has it",
                    blob: digest, images: images, backups: names))
        }
        result.unreferenced = try await unreferenced(sizes)
        do {
            try await note(
                result, sound: readable.filter { !touched.backups.contains($0.id) },
                unsound: readable.filter { touched.backups.contains($0.id) }, damaged)
        } catch let error as FileError {
            result.unwritten = error
        }
        return result
    }

    /// - Returns: what is wrong with a blob, and when the file that was read was modified; nil if nothing is.
    private func check(
        _ blob: Descriptor, _ observe: @escaping @Sendable (Int) -> Void
    ) async throws -> (text: String, modified: Int64?)? {
        let status: FileStatus?
        do {
            status = try await folder.status(of: blob.digest)
        } catch let error as any Failure where error.kind == .policy {
            return (error.description, nil)
        }
        guard let status else { return ("blob \(blob.digest) is missing from \(name)", nil) }
        do {
            try await folder.read(blob, after: nil) { try await $0.observed(observe).verify() }
            return nil
        } catch let error as any Failure where error.kind == .damaged || error.kind == .policy {
            return (error.description, status.modified)
        } catch let error as FileError {
            // A sector that cannot be read is damage too, and the other blobs are still worth reading.
            return (error.description, status.modified)
        }
    }

    /// The images and backups that need blobs which are damaged.
    private func touched(
        by damaged: Set<Digest>, in backups: [Backup]
    ) async throws -> (blobs: [Digest: (images: [String], backups: [String])], backups: Set<Digest>) {
        guard !damaged.isEmpty else { return ([:], []) }
        var found: [Digest: (images: [String], backups: [String])] = [:]
        var touched: Set<Digest> = []
        var contents: [Digest: Set<Digest>] = [:]
        for backup in backups {
            var needed: Set<Digest> = []
            try await forEachBlob(of: backup) { if damaged.contains($0.digest) { needed.insert($0.digest) } }
            guard !needed.isEmpty else { continue }
            touched.insert(backup.id)
            for digest in needed { found[digest, default: ([], [])].backups.append(backup.name) }
            try await forEachImage(of: backup) { image in
                if contents[image.descriptor.digest] == nil {
                    contents[image.descriptor.digest] = try await reach(image.descriptor, among: damaged)
                }
                for digest in contents[image.descriptor.digest] ?? []
                where found[digest]?.images.contains(image.name) == false {
                    found[digest]?.images.append(image.name)
                }
            }
        }
        return (found, touched)
    }

    /// Which of some blobs an image needs, as far as its manifests can be read.
    private func reach(_ root: Descriptor, among wanted: Set<Digest>) async throws -> Set<Digest> {
        var found: Set<Digest> = []
        var seen: Set<Digest> = []
        var waiting = [root]
        while let descriptor = waiting.popLast() {
            guard seen.insert(descriptor.digest).inserted else { continue }
            if wanted.contains(descriptor.digest) { found.insert(descriptor.digest) }
            guard descriptor.mediaType.isManifest, let manifest = try await folder.readableManifest(descriptor) else {
                continue
            }
            waiting += manifest.children
        }
        return found
    }

    private static func text(_ images: [String], _ backups: [String]) -> String {
        func list(_ names: [String]) -> String {
            let rest = names.count - namesShown
            return names.prefix(namesShown).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
        }
        var text = ""
        if !images.isEmpty { text += "; it belongs to \(list(images))" }
        if !backups.isEmpty { text += "; in backups \(list(backups))" }
        return text
    }

    private func unreferenced(_ sizes: [Digest: Int64]) async throws -> Int {
        var count = 0
        for algorithm in Digest.Algorithm.allCases {
            let path = folder.folder(of: algorithm)
            guard try await files.status(path, followLinks: false) != nil else { continue }
            for name in try await files.list(path) {
                do throws(OCIError) {
                    if sizes[try Digest(parsing: algorithm.rawValue + ":" + name)] == nil { count += 1 }
                } catch {
                    count += 1
                }
            }
        }
        return count
    }

    /// `verified` says which backups were found sound; `damaged` names the blobs that were not, for the next writer.
    private func note(
        _ result: BackupSetVerification, sound: [Backup], unsound: [Backup],
        _ damaged: [Digest: (text: String, modified: Int64?)]
    ) async throws {
        let now = Moment(milliseconds: surroundings.now()).seconds
        func ids(_ backups: [Backup]) -> JSONValue { .array(backups.map { .string($0.id.description) }) }
        let blobs = damaged.sorted { $0.key < $1.key }.compactMap { digest, fault in
            fault.modified.map {
                JSONValue.object(["digest": .string(digest.description), "modified": .number($0)])
            }
        }
        if !blobs.isEmpty { try await add(BackupEvidence(kind: "damaged", at: now, ["blobs": .array(blobs)])) }
        try await add(
            BackupEvidence(
                kind: "verified", at: now,
                [
                    "sound": ids(sound), "unsound": ids(unsound), "blobs": .number(Int64(result.blobs)),
                    "bytes": .number(result.bytes),
                ]))
    }
}
