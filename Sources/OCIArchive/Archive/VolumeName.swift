/// The name of a volume's file: `images.2-of-3.tar` is volume 2 of `images.tar`.
struct VolumeName: Hashable, Sendable {
    /// The path before the numbers, such as `out/images`.
    let stem: String
    /// The end of the archive's name, such as `.tar.zst`.
    let suffix: String
    let number: Int
    let count: Int

    /// The name of the archive as a whole.
    var archive: String { stem + suffix }

    /// Numbers have as many digits as the last one, so that names sort as volumes do.
    var path: String {
        let digits = String(number)
        let zeros = String(repeating: "0", count: max(0, String(count).count - digits.count))
        return "\(stem).\(zeros)\(digits)-of-\(count)\(suffix)"
    }

    init(of archive: String, number: Int, count: Int) {
        suffix = ArchiveFormat.suffix(of: archive) ?? ""
        stem = String(archive.dropLast(suffix.count))
        self.number = number
        self.count = count
    }

    /// Nil for a name that is no volume's.
    init?(parsing path: String) {
        guard let suffix = ArchiveFormat.suffix(of: path) else { return nil }
        let rest = path.dropLast(suffix.count)
        guard let point = rest.lastIndex(of: ".") else { return nil }
        let words = rest[rest.index(after: point)...].split(separator: "-", omittingEmptySubsequences: false)
        guard words.count == 3, words[1] == "of", let number = Self.number(words[0]), let count = Self.number(words[2]),
            (1...VolumeNumber.countLimit).contains(count), (1...count).contains(number)
        else { return nil }
        stem = String(rest[..<point])
        self.suffix = suffix
        self.number = number
        self.count = count
    }

    private static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
    }

    func volume(_ number: Int) -> VolumeName { VolumeName(of: archive, number: number, count: count) }
}
