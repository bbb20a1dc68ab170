import OCI

/// What no rule and no wish does by itself.
extension Retention {
    /// With a clock that went back, the age of every backup would be wrong.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970, UTC.
    ///   - newest: the time of the newest backup.
    /// - Throws: `LifeboatError` `.policy` if the backup is later than now.
    static func checkClock(_ now: Int64, newest: Int64) throws(LifeboatError) {
        guard now < newest else { return }
        throw LifeboatError(
            .policy,
            "the clock says \(Figures.instant(now * 1000)), and the newest backup is of \(Figures.instant(newest * 1000))",
            advice: "set the clock; nothing is forgotten or pruned by a clock that is behind")
    }

    /// - Parameter group: which of the set's backups these are; nil for all.
    /// - Throws: `LifeboatError` `.policy` if nothing that could be restored as a whole would be left, or the newest
    ///   verified backup would go.
    static func checkLoss(
        _ removed: Set<Digest>, of backups: [Candidate], in set: String, group: BackupGroup? = nil, force: Bool
    ) throws(LifeboatError) {
        guard !force, !removed.isEmpty else { return }
        let left = backups.filter { !removed.contains($0.id) }
        let which = group.map { " (\($0))" } ?? ""
        let hadGood = backups.contains(where: \.isGood)
        if left.isEmpty && (hadGood || group == nil) || hadGood && !left.contains(where: \.isGood) {
            throw LifeboatError(
                .policy, "\(shown(set, limit: 1000)) would be left without a complete backup" + which,
                advice: "--force does it all the same")
        }
        let newestVerified = backups.filter { $0.isGood && $0.isVerified }.max(by: Candidate.isOlder)
        if let newestVerified, removed.contains(newestVerified.id) {
            throw LifeboatError(
                .policy,
                "the backup \(newestVerified.id.short) of \(Figures.instant(newestVerified.time * 1000)) is the newest verified one of \(shown(set, limit: 1000))\(which)",
                advice: "verify a newer one first (lifeboat verify), or --force")
        }
    }
}

extension Retention.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rule(let rule): rule.rawValue
        case .oldest(let rule): "oldest " + rule.rawValue
        case .within(let span): "within \(span)"
        case .newestVerified: "newest verified"
        case .unsettled: "newer than every good one"
        }
    }
}
