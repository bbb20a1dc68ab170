import NIOCore
import OCI
import OCIArchive

/// Reads the files that the rules of a selection name, each once, before anything else is done.
struct ImageListReading {
    /// The most files of one folder of manifests.
    static let fileLimit = 10_000
    /// The largest file.
    static let fileSizeLimit: Int64 = 16 << 20
    /// The largest sum of all files of one folder.
    static let sizeLimit: Int64 = 512 << 20
    /// The most images of one list.
    static let imageLimit = 200_000
    /// How deep folders are searched.
    static let depthLimit = 16

    let fileSystem: any FileSystem
    private var known: [String: ImageList.Contents] = [:]

    init(fileSystem: any FileSystem) {
        self.fileSystem = fileSystem
    }

    /// - Throws: `DefinitionError` where a file is missing, too large, or not what it should be; `FileError`.
    mutating func read(_ selection: Selection) async throws -> Selection {
        var selection = selection
        for (number, rule) in selection.rules.enumerated() {
            guard let list = rule.list, list.contents == nil else { continue }
            selection.rules[number].list?.contents = try await contents(of: list)
        }
        return selection
    }

    private mutating func contents(of list: ImageList) async throws -> ImageList.Contents {
        let id = list.summary
        if let contents = known[id] { return contents }
        guard let status = try await fileSystem.status(list.path, followLinks: true) else {
            throw list.place.fault("there is no \(shown(list.path, limit: 1000))")
        }
        var gathering = Gathering()
        switch (list.kind, status.kind) {
        case (.list, .file):
            let bytes = try await bytes(of: list.path, status, list)
            try gathering.addLines(bytes, file: list.path)
        case (.kubernetes, .file):
            try gathering.addFields(try await bytes(of: list.path, status, list), file: list.path)
        case (.kubernetes, .folder):
            var files = 0
            var size: Int64 = 0
            try await readFolder(list.path, depth: 0, list, &gathering, &files, &size)
            if files == 0 {
                throw list.place.fault("\(shown(list.path, limit: 1000)) has no file that ends in .yaml, .yml or .json")
            }
        default:
            let wanted = list.kind == .list ? "a file" : "a file or a folder"
            throw list.place.fault("\(shown(list.path, limit: 1000)) is not \(wanted)")
        }
        known[id] = gathering.contents
        return gathering.contents
    }

    private func readFolder(
        _ folder: String, depth: Int, _ list: ImageList, _ gathering: inout Gathering, _ files: inout Int,
        _ size: inout Int64
    ) async throws {
        guard depth <= ImageListReading.depthLimit else {
            throw list.place.fault(
                "\(shown(folder, limit: 1000)) is nested deeper than \(ImageListReading.depthLimit) folders")
        }
        // Hidden names are those of other programs, such as `.git`, and the doubles of a mounted ConfigMap.
        for name in try await fileSystem.list(folder) where !name.hasPrefix(".") {
            let path = folder.hasSuffix("/") ? folder + name : folder + "/" + name
            guard let status = try await fileSystem.status(path, followLinks: false) else { continue }
            if status.kind == .folder {
                try await readFolder(path, depth: depth + 1, list, &gathering, &files, &size)
                continue
            }
            guard [".yaml", ".yml", ".json"].contains(where: name.hasSuffix),
                let target = try await fileSystem.status(path, followLinks: true), target.kind == .file
            else { continue }
            files += 1
            size += target.size
            guard files <= ImageListReading.fileLimit, size <= ImageListReading.sizeLimit else {
                throw list.place.fault(
                    "\(shown(list.path, limit: 1000)) has more than \(ImageListReading.fileLimit) files or "
                        + "\(ImageListReading.sizeLimit) bytes of manifests")
            }
            try gathering.addFields(try await bytes(of: path, target, list), file: path)
        }
    }

    private func bytes(of path: String, _ status: FileStatus, _ list: ImageList) async throws -> [UInt8] {
        guard status.size <= ImageListReading.fileSizeLimit else {
            throw list.place.fault(
                "\(shown(path, limit: 1000)) has \(status.size) bytes, the limit is \(ImageListReading.fileSizeLimit)")
        }
        return Array(
            try await fileSystem.read(path, upTo: Int(ImageListReading.fileSizeLimit)).readableBytesView)
    }
}

/// The images of a list so far, each once, in the order in which they come.
struct Gathering {
    private(set) var contents = ImageList.Contents()
    private var known: Set<ListedImage> = []

    private mutating func add(_ image: ListedImage, file: String, line: Int) throws(DefinitionError) {
        guard known.insert(image).inserted else { return }
        guard known.count <= ImageListReading.imageLimit else {
            throw DefinitionError(
                file: file,
                faults: [
                    .init(
                        line: line, column: 1, key: "",
                        reason: "there are more than \(ImageListReading.imageLimit) images")
                ])
        }
        contents.images.append(image)
    }

    /// Adds the lines of a list; empty ones and what stands behind `#` are passed over.
    mutating func addLines(_ bytes: [UInt8], file: String) throws(DefinitionError) {
        var content = bytes[...]
        if content.starts(with: [0xef, 0xbb, 0xbf]) { content = content.dropFirst(3) }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw DefinitionError(
                file: file, faults: [.init(line: 1, column: 1, key: "", reason: "the file is not UTF-8 text")])
        }
        var faults: [DefinitionError.Fault] = []
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let start = line.firstIndex { !$0.isWhitespace } ?? line.endIndex
            let words = line[start...].prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            guard let word = words.first else { continue }
            let column = line.distance(from: line.startIndex, to: start) + 1
            guard words.count == 1 else {
                faults.append(
                    .init(line: number + 1, column: column, key: "", reason: "want one image a line, got several words")
                )
                continue
            }
            let image: ListedImage
            do throws(OCIError) {
                image = try ListedImage(line: word)
            } catch let error {
                faults.append(.init(line: number + 1, column: column, key: "", reason: error.description))
                continue
            }
            try add(image, file: file, line: number + 1)
        }
        if !faults.isEmpty { throw DefinitionError(file: file, faults: faults) }
    }

    /// Adds every image that a YAML or JSON file names.
    mutating func addFields(_ bytes: [UInt8], file: String) throws(DefinitionError) {
        for field in try ImageFieldScanner.fields(of: bytes, file: file) {
            if let image = Gathering.image(of: field) {
                try add(image, file: file, line: field.line)
            } else if !Gathering.isNodeID(field.text), !field.text.isEmpty {
                // A bare digest is the id that a node gave to an image, which no registry knows.
                contents.unread += 1
                if contents.unreadExample == nil {
                    contents.unreadExample = "'\(shown(field.text, limit: 100))' at \(shown(file)):\(field.line)"
                }
            }
        }
    }

    /// `sha256:…` or `docker://sha256:…`
    private static func isNodeID(_ text: String) -> Bool {
        text.hasPrefix("sha256:") || text.contains("://sha256:")
    }

    /// - Returns: nil for what is no image, or no more than the id that a node gave to it.
    private static func image(of field: ImageFieldScanner.Field) -> ListedImage? {
        var text = Substring(field.text)
        if let scheme = text.firstRange(of: "://") { text = text[scheme.upperBound...] }
        guard !text.hasPrefix("sha256:") else { return nil }
        do {
            let reference = try Reference(parsing: String(text))
            // What a status says runs is worth something by digest only.
            if field.isID, reference.digest == nil { return nil }
            return ListedImage(reference)
        } catch {
            return nil
        }
    }
}
