import OCI

/// What a pruning did, or would do.
public struct PruneReport: Sendable {
    public struct Amount: Sendable, Hashable {
        public var blobs = 0
        public var bytes: Int64 = 0

        mutating func add(_ size: Int64) {
            blobs += 1
            bytes += size
        }
    }

    /// Backups that the set has.
    public var backups = 0
    /// Blobs that stay where they are.
    public var kept = 0
    /// Put into the trash now, since no backup needs them.
    public var trashed = Amount()
    /// Taken out of the trash again, since a backup needs them.
    public var takenBack = Amount()
    /// Deleted, having been in the trash for longer than the grace: the space that came free.
    public var freed = Amount()
    /// In the trash afterwards.
    public var waiting = Amount()
    /// When the first of what waits may be deleted; nil if nothing waits.
    public var freedNext: Moment?
    /// What was found and left alone.
    public var notes: [String] = []
}
