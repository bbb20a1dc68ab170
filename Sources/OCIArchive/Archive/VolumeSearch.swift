import OCI

/// Finds the volumes of an archive beside each other: by their names, and what has another name by what it says of itself.
public struct VolumeSearch: Sendable {
    private let fileSystem: any FileSystem

    /// The most other files of a folder that are opened to find a volume that has another name.
    private static let renamedLimit = 1000

    public init(_ fileSystem: any FileSystem) {
        self.fileSystem = fileSystem
    }

    // MARK: Names

    /// The file that a path means: itself, or a volume of it.
    ///
    /// - Throws: `ArchiveError` `.usage` for a pattern or name that stands for several archives, `.notFound` for a
    ///   pattern that matches nothing.
    func file(for path: String) async throws -> String {
        guard path != "-", try await fileSystem.status(path, followLinks: true) == nil else { return path }
        let isPattern = lastComponent(of: path).contains { $0 == "*" || $0 == "?" }
        let names = isPattern ? try await matches(of: path) : try await volumes(of: path)
        guard let first = names.first else {
            guard isPattern else { return path }
            throw ArchiveError(.notFound, "no file matches '\(shown(path, limit: 1000))'", advice: "check the path")
        }
        if names.count == 1 { return first }
        let volumes = names.map { VolumeName(parsing: $0) }
        guard let volume = volumes[0], volumes.allSatisfy({ $0?.volume(1) == volume.volume(1) }) else {
            throw ArchiveError.usage(
                "\(shown(path, limit: 1000)) stands for several archives: "
                    + names.prefix(10).map { shown($0, limit: 200) }.joined(separator: ", "),
                advice: "give one of them, or one volume of an archive")
        }
        return first
    }

    /// Files beside each other that are volumes of the archive of this name.
    public func volumes(of archive: String) async throws -> [String] {
        try await names(beside: archive).filter { VolumeName(parsing: $0)?.archive == archive }
    }

    /// What interrupted runs have left of volumes of the archive of this name.
    func partials(of archive: String) async throws -> [String] {
        try await names(beside: archive).filter { name in
            [".partial", ".partial.old"].contains { ending in
                name.hasSuffix(ending)
                    && VolumeName(parsing: String(name.dropLast(ending.count)))?.archive == archive
            }
        }
    }

    /// The name of the archive whose volume a file is by its name; nil if it is none.
    public static func archive(ofVolume path: String) -> String? { VolumeName(parsing: path)?.archive }

    private func matches(of pattern: String) async throws -> [String] {
        let wanted = Array(lastComponent(of: pattern).utf8)
        return try await names(beside: pattern).filter {
            ArchiveFormat.suffix(of: $0) != nil && VolumeSearch.matches(Array(lastComponent(of: $0).utf8), wanted)
        }
    }

    private func names(beside path: String) async throws -> [String] {
        let folder = parentFolder(of: path)
        guard try await fileSystem.status(folder, followLinks: true)?.kind == .folder else { return [] }
        let prefix = path.contains("/") ? (folder == "/" ? "/" : folder + "/") : ""
        return try await fileSystem.list(folder).map { prefix + $0 }
    }

    /// `*` for any characters, `?` for one.
    private static func matches(_ name: [UInt8], _ pattern: [UInt8]) -> Bool {
        var (position, place) = (0, 0)
        var star: (place: Int, position: Int)?
        while position < name.count {
            if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                star = (place, position)
                place += 1
            } else if place < pattern.count, pattern[place] == name[position] || pattern[place] == UInt8(ascii: "?") {
                (position, place) = (position + 1, place + 1)
            } else if let last = star {
                star = (last.place, last.position + 1)
                (position, place) = (last.position + 1, last.place + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    // MARK: Volumes

    /// The files of which an archive consists, to be verified one by one.
    ///
    /// - Returns: the files that are there, and what is wrong with the volumes that are not.
    public func files(of path: String, _ opening: ArchiveOpening) async throws -> (
        paths: [String], faults: [ArchiveError]
    ) {
        let path = try await file(for: path)
        guard path != "-" else { return ([path], []) }
        var paths = [path]
        if let own = VolumeName(parsing: path) {
            let beside = Set(try await volumes(of: own.archive))
            paths = (1...own.count).map { own.volume($0).path }.filter { $0 == path || beside.contains($0) }
        }
        for name in paths {
            guard let part = try await opened(name, opening).part else { continue }
            guard part.map.contents.lineage.volume != nil else { return ([path], []) }
            let parts = try await parts(around: part, at: name, opening)
            let missing = parts.absent.sorted { $0.key < $1.key }.filter { !$0.value.isDamaged }
            return (
                (paths + parts.paths).reduce(into: []) { if !$0.contains($1) { $0.append($1) } },
                missing.map { .damaged($0.value.reason, advice: ArchiveParts.volumeAdvice) }
            )
        }
        return (paths, [])
    }

    /// An archive with all of its volumes that are found beside the one that was opened.
    func parts(around first: ArchivePart, at path: String, _ opening: ArchiveOpening) async throws -> ArchiveParts {
        let own = VolumeName(parsing: path)
        let volume = first.map.contents.lineage.volume
        var parts = ArchiveParts(first, path: path, called: own?.number == volume?.number ? nil : path)
        guard let volume, volume.count > 1, path != "-" else { return parts }
        var tried: Set<String> = [path]
        for number in 1...volume.count where number != volume.number {
            guard let name = own?.volume(number).path else {
                parts.absent[number] = .init(
                    reason: "volume \(number) of \(volume.count) was not found beside \(shown(path, limit: 1000))")
                continue
            }
            tried.insert(name)
            try await take(name, as: number, of: first, into: &parts, opening)
        }
        // What was renamed, or has changed places, says itself what it is.
        if !parts.absent.isEmpty {
            let others = try await names(beside: path).filter {
                !tried.contains($0) && ArchiveFormat.suffix(of: $0) != nil
            }
            for name in others.prefix(Self.renamedLimit) where !parts.absent.isEmpty {
                guard let part = try await opened(name, opening).part, let found = part.fits(first) else { continue }
                if parts.absent.removeValue(forKey: found) != nil { parts.add(part, as: found, called: name) }
            }
        }
        return parts
    }

    private func take(
        _ name: String, as number: Int, of first: ArchivePart, into parts: inout ArchiveParts, _ opening: ArchiveOpening
    ) async throws {
        let (part, fault) = try await opened(name, opening)
        let shownName = shown(name, limit: 1000)
        guard let part else {
            if parts.has(number) { return }
            parts.absent[number] = .init(reason: fault ?? "\(shownName) is missing", isDamaged: fault != nil)
            return
        }
        guard let found = part.fits(first) else {
            let other = part.map.contents.lineage.volume.map { $0.first ?? part.map.id }
            if parts.has(number) { return }
            parts.absent[number] = .init(
                reason: "\(shownName) belongs to another export"
                    + (other.map { " (its first volume is \($0.short))" } ?? ", and is no volume"))
            return
        }
        if found == number || !parts.has(found) {
            parts.absent[found] = nil
            parts.add(part, as: found, called: found == number ? nil : name)
        }
        if found != number, !parts.has(number), parts.absent[number] == nil {
            parts.absent[number] = .init(reason: "\(shownName) holds volume \(found), not \(number)")
        }
    }

    /// - Returns: an archive of ours, or what is wrong with the file; neither if there is none.
    private func opened(_ path: String, _ opening: ArchiveOpening) async throws -> (part: ArchivePart?, fault: String?)
    {
        guard let status = try await fileSystem.status(path, followLinks: true), status.kind == .file else {
            return (nil, nil)
        }
        do {
            let catalog = try await openFile(path, opening)
            guard let part = ArchivePart(catalog) else {
                return (nil, "\(shown(path, limit: 1000)) is no archive of Lifeboat's")
            }
            return (part, nil)
        } catch let failure as any Failure where failure.kind != .local && failure.kind != .internal {
            return (nil, failure.description)
        }
    }
}
