import OCI

/// What two stores hold under the same names: the proof of a migration.
public struct Comparison: Sendable {
    public enum Difference: Sendable {
        /// The other side has nothing under this name.
        case missing(name: String, want: Digest)
        case different(name: String, got: Digest, want: Digest)
        case unreadable(name: String, FailureReport)
    }

    /// Where the list of names comes from.
    public var listed: String
    /// Where they were looked for.
    public var compared: String
    public var same = 0
    public var differences: [Difference] = []
    /// The digest over the sorted lines `repository:tag digest` of each side: equal if and only if the sides are.
    public var listedDigest: Digest?
    public var comparedDigest: Digest?

    public init(listed: String, compared: String) {
        self.listed = listed
        self.compared = compared
    }

    var failures: [FailureReport] {
        differences.map { difference in
            switch difference {
            case .missing(let name, let want):
                FailureReport(LifeboatError(.notFound, "\(compared) has no \(name), want \(want) as in \(listed)"))
            case .different(let name, let got, let want):
                FailureReport(
                    LifeboatError(.conflict, "\(name) is \(got) at \(compared), want \(want) as in \(listed)"))
            case .unreadable(_, let failure): failure
            }
        }
    }
}

extension Comparison {
    /// Looks up every image of one side at the other.
    ///
    /// - Parameter naming: what the other side calls them.
    static func compare(
        _ selected: [NamedImage], of listed: String, with other: any SourceStore, naming: Naming, concurrency: Int = 16
    ) async throws -> Comparison {
        var comparison = Comparison(listed: listed, compared: other.name)
        let known = try await (other as? any ImageCatalog)?.images()
        let byName = known.map { images in
            Dictionary(images.map { ($0.name, $0.descriptor.digest) }, uniquingKeysWith: { first, _ in first })
        }
        enum Found: Sendable {
            case digest(Digest)
            case nothing
            case failure(FailureReport)
        }
        let found = try await map(selected, limit: concurrency) { image -> (String, Found) in
            let (repository, tag) = try naming.target(for: image)
            let name = repository.description + (tag.map { ":\($0)" } ?? "@\(image.descriptor.digest)")
            if let byName {
                return (name, byName[name].map { .digest($0) } ?? .nothing)
            }
            do {
                let reference: TagOrDigest = tag.map { .tag($0) } ?? .digest(image.descriptor.digest)
                return (name, .digest(try await other.source(repository).resolve(reference).digest))
            } catch let error as any Failure {
                return (name, error.kind == .notFound ? .nothing : .failure(FailureReport(error)))
            }
        }
        var listedLines: [String] = []
        var comparedLines: [String] = []
        for (image, (name, found)) in zip(selected, found) {
            let want = image.descriptor.digest
            listedLines.append("\(name) \(want)\n")
            switch found {
            case .digest(let got):
                comparedLines.append("\(name) \(got)\n")
                if got == want {
                    comparison.same += 1
                } else {
                    comparison.differences.append(.different(name: name, got: got, want: want))
                }
            case .nothing: comparison.differences.append(.missing(name: name, want: want))
            case .failure(let failure): comparison.differences.append(.unreadable(name: name, failure))
            }
        }
        comparison.listedDigest = Digest(of: Array(listedLines.sorted().joined().utf8))
        comparison.comparedDigest = Digest(of: Array(comparedLines.sorted().joined().utf8))
        return comparison
    }

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "listed": .string(listed), "compared": .string(compared), "same": .number(Int64(same)),
            "differences": .array(
                differences.map { difference in
                    switch difference {
                    case .missing(let name, let want):
                        .object(["name": .string(name), "is": .string("missing"), "want": .string(want.description)])
                    case .different(let name, let got, let want):
                        .object([
                            "name": .string(name), "is": .string("different"), "got": .string(got.description),
                            "want": .string(want.description),
                        ])
                    case .unreadable(let name, let failure):
                        .object(["name": .string(name), "is": .string("unreadable"), "error": failure.json])
                    }
                }),
        ]
        if let listedDigest { members["listedDigest"] = .string(listedDigest.description) }
        if let comparedDigest { members["comparedDigest"] = .string(comparedDigest.description) }
        return .object(members)
    }
}
