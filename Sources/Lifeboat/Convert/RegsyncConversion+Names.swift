import OCI

/// Names as regclient writes them: references, `ocidir://`, templates.
extension RegsyncConversion {
    /// Where a line of the file leads.
    struct Place {
        var store: DefinitionDraft.Store
        var repository = ""
        var tag: String?
        var digest: String?
    }

    func place(_ text: String, isRegistry: Bool) -> Place? {
        if text.hasPrefix("ocidir://") {
            let path = text.dropFirst("ocidir://".count)
            let end = path.lastIndex(of: ":").flatMap { path[$0...].contains("/") ? nil : $0 }
            let folder = String(path[..<(end ?? path.endIndex)])
            guard !folder.isEmpty else { return nil }
            return Place(
                store: .init(kind: "layout", place: folder), repository: folder,
                tag: end.map { String(path[path.index(after: $0)...]) })
        }
        do {
            if isRegistry {
                _ = try StoreDefinition.registry(parsing: text)
                return Place(store: .init(kind: "registry", place: text))
            }
            let reference = try Reference(parsing: text)
            return Place(
                store: .init(kind: "registry", place: reference.registry), repository: reference.repository.description,
                tag: reference.tag?.description, digest: reference.digest?.description)
        } catch {
            return nil
        }
    }

    /// The two templates that everybody uses: the source, and a part of it.
    func expand(_ target: String, source: String) -> String? {
        var result = ""
        var rest = target[...]
        while let begin = rest.firstRange(of: "{{") {
            guard let end = rest[begin.upperBound...].firstRange(of: "}}") else { return nil }
            result += rest[..<begin.lowerBound]
            let words = rest[begin.upperBound..<end.lowerBound].split(separator: " ").map(String.init)
            if words == [".Sync.Source"] {
                result += source
            } else if words.count == 5, words[0] == "index", words[1] == "(split", words[2] == ".Sync.Source",
                words[3].hasPrefix("\""), words[3].hasSuffix("\")"), words[3].count > 3, let number = Int(words[4])
            {
                let parts = source.split(
                    separator: String(words[3].dropFirst().dropLast(2)), omittingEmptySubsequences: false)
                guard parts.indices.contains(number) else { return nil }
                result += parts[number]
            } else {
                return nil
            }
            rest = rest[end.upperBound...]
        }
        return result + rest
    }
}
