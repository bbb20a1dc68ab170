/// What a definition says of a backup set.
public struct BackupSetSettings: Sendable, Hashable {
    /// How much of its tags a listing may lose from one night to the next before it is not believed, in per cent.
    public static let defaultShrink = 5.0

    public var shrink = BackupSetSettings.defaultShrink

    public init() {}
}

extension PipelineSettings {
    /// - Parameter path: of a set.
    func shrink(_ path: String) -> Double { backupSets[path]?.shrink ?? BackupSetSettings.defaultShrink }
}
