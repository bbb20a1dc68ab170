import OCI
import OCIArchive

/// Backups that follow each other: those of one pipeline and one source, as restic's are of one host and its paths.
///
/// What a set has of one group says nothing of another one: each is thinned by itself.
public struct BackupGroup: Sendable, Hashable {
    /// Names of records that no definition made: what was asked for tells them apart.
    private static let unnamed: Set = ["", "export", "add", "backups add"]

    /// The name of the definition, or of the verb.
    public var pipeline: String
    /// What the images came from; several in order of their names.
    public var source: String
    /// What was asked for (`BackupHeader.scope`); nil where all that was ever asked for is one group.
    public var scope: String?

    fileprivate init(_ header: BackupHeader) {
        pipeline = header.pipeline
        source = header.source.split(separator: ", ").sorted().joined(separator: ", ")
    }

    /// Whether a definition made its backups.
    public var isNamed: Bool { !BackupGroup.unnamed.contains(pipeline) }
}

extension BackupGroup: CustomStringConvertible {
    /// `nightly, from registry.example.com`
    public var description: String {
        let name = shown(pipeline.isEmpty ? "without a name" : pipeline, limit: 200)
        let words = source.isEmpty ? name : name + ", from " + shown(source, limit: 300)
        return words + (scope.map { $0.isEmpty ? "" : ", selection " + $0.prefix(8) } ?? "")
    }
}

extension [Backup] {
    /// The backups by group, the groups in the order of their first ones.
    ///
    /// A change to the rules of a definition goes on with the group. Where what was asked for alternates, as with two
    /// definitions of one name, or no definition says who asked, it tells groups apart.
    ///
    /// - Precondition: oldest first.
    public var groups: [(group: BackupGroup, backups: [Backup])] {
        var alternating: Set<BackupGroup> = []
        var scopes: [BackupGroup: [String]] = [:]
        for backup in self {
            let (group, scope) = (BackupGroup(backup.header), backup.header.scope)
            if scopes[group]?.last == scope { continue }
            if scopes[group]?.contains(scope) == true { alternating.insert(group) }
            scopes[group, default: []].append(scope)
        }
        var order: [BackupGroup] = []
        var members: [BackupGroup: [Backup]] = [:]
        for backup in self {
            var group = BackupGroup(backup.header)
            if !group.isNamed || alternating.contains(group) { group.scope = backup.header.scope }
            if members[group] == nil { order.append(group) }
            members[group, default: []].append(backup)
        }
        return order.map { ($0, members[$0] ?? []) }
    }
}
