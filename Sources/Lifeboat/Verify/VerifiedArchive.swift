import OCI
import OCIArchive

/// What the verification of all files of one archive comes to: which of its images are whole.
struct VerifiedArchive {
    /// The most images that a line names; the report has more of them.
    private static let namesShown = 20

    private var files: [ArchiveReport] = []
    /// The images of which nothing is lacking together with what the archive builds on, where that was read and is
    /// sound; nil where it was not.
    var completeWithBases: Set<String>?

    mutating func add(_ file: ArchiveReport) { files.append(file) }

    /// Full names of the images of which nothing is missing or damaged, in their order.
    ///
    /// What a delta leaves to its base was not looked at, and is not among them.
    var complete: [String] {
        guard let first = files.first(where: { $0.images != nil }), let names = first.images else { return [] }
        let damaged = files.reduce(into: Set<String>()) { $0.formUnion($1.damagedImages) }
        let whole = completeWithBases ?? first.complete(in: volumes).map { Set($0) }
        return names.filter { !damaged.contains($0) && (whole?.contains($0) ?? true) }
    }

    /// How many images were verified.
    var count: Int {
        guard let first = files.first else { return 0 }
        return files.contains { $0.images != nil } ? complete.count : first.imageCount
    }

    /// What is in a file that lists nothing is not there.
    private var volumes: Set<Int> { Set(files.compactMap(\.lineage.volume?.number)) }

    /// What a reader has to know who sees only how many images were verified; nothing where that is all of them.
    func words(of path: String) -> [String] {
        guard let first = files.first(where: { $0.images != nil }) else { return [] }
        let place = shown(path, limit: 1000)
        var words: [String] = []
        if let base = first.lineage.base {
            let also = completeWithBases == nil ? "" : ", which was read too"
            words.append("\(place) is a delta: it builds on \(base.description)\(also)")
        }
        let complete = complete
        let all = first.images?.count ?? first.imageCount
        guard complete.count < all else { return words }
        guard !complete.isEmpty else {
            return words + ["none of the \(Figures.count(all, "image")) of \(place) is complete\(elsewhere(first))"]
        }
        let names = complete.prefix(VerifiedArchive.namesShown).joined(separator: ", ")
        let more = complete.count - VerifiedArchive.namesShown
        return words + [
            "\(complete.count) of \(Figures.count(all, "image")) of \(place) \(complete.count == 1 ? "is" : "are") complete"
                + "\(elsewhere(first)): \(names)" + (more > 0 ? " and \(more) more" : "")
        ]
    }

    private func elsewhere(_ file: ArchiveReport) -> String {
        file.lineage.base == nil || completeWithBases != nil ? "" : " without what it builds on, which was not read"
    }
}
