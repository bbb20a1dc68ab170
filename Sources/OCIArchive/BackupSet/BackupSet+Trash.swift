import OCI

/// Where blobs wait that no backup needs any more: `trash/<YYYYMMDDThhmmssZ>/<algorithm>/<hex>`, by the time at which
/// they were put there.
extension BackupSet {
    /// The folders of the trash, earliest first, and what else lies between them.
    func trashFolders() async throws -> (folders: [(path: String, moment: Moment)], others: [String]) {
        guard try await files.status(trashPath, followLinks: false) != nil else { return ([], []) }
        var folders: [(path: String, moment: Moment)] = []
        var others: [String] = []
        for name in try await files.list(trashPath) {
            if let moment = Moment(compact: name) {
                folders.append((trashPath + "/" + name, moment))
            } else {
                others.append(trashPath + "/" + name)
            }
        }
        return (folders.sorted { $0.moment < $1.moment }, others)
    }

    /// Whether anything waits in the trash.
    public func hasTrash() async throws -> Bool { try await !trashFolders().folders.isEmpty }

    /// Where in the trash a blob lies; nil if it does not.
    public func trashed(_ digest: Digest) async throws -> String? {
        for folder in try await trashFolders().folders.reversed() {
            let path = BackupSet.path(of: digest, inTrash: folder.path)
            if try await self.folder.status(path) != nil { return path }
        }
        return nil
    }

    static func path(of digest: Digest, inTrash folder: String) -> String {
        "\(folder)/\(digest.algorithm.rawValue)/\(digest.hex)"
    }
}

extension Moment {
    /// Reads what `compact` writes, and nothing else.
    init?(compact name: String) {
        let digits = Array(name.utf8)
        guard digits.count == 16 else { return nil }
        func text(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
        let written =
            "\(text(0..<4))-\(text(4..<6))-\(text(6..<8))T\(text(9..<11)):\(text(11..<13)):\(text(13..<15))Z"
        do {
            try self.init(parsing: written)
        } catch {
            return nil
        }
        guard compact == name else { return nil }
    }
}
