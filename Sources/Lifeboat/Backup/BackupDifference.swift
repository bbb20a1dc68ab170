import OCI
import OCIArchive

/// What is different between two backups, name by name.
public struct BackupDifference: Sendable {
    public enum Change: Sendable, Hashable {
        case added(Digest)
        case moved(from: Digest, to: Digest)
        case gone(Digest)
    }

    public struct Entry: Sendable, Hashable {
        /// `registry/repository:tag`, or with the digest where there is no tag.
        public var name: String
        public var change: Change
    }

    /// Sorted by name.
    public var entries: [Entry] = []
    /// Names that point to the same in both.
    public var same = 0

    public init(from old: [NamedImage], to new: [NamedImage]) {
        var before: [String: Digest] = [:]
        for image in old { before[BackupDifference.name(image)] = image.descriptor.digest }
        for image in new {
            let name = BackupDifference.name(image)
            let digest = image.descriptor.digest
            switch before.removeValue(forKey: name) {
            case digest?: same += 1
            case let old?: entries.append(Entry(name: name, change: .moved(from: old, to: digest)))
            case nil: entries.append(Entry(name: name, change: .added(digest)))
            }
        }
        for (name, digest) in before { entries.append(Entry(name: name, change: .gone(digest))) }
        entries.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private static func name(_ image: NamedImage) -> String {
        (image.registry.map { $0 + "/" } ?? "") + image.name
    }
}
