import OCI

extension Comparison {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "listed": .string(listed), "compared": .string(compared), "same": .number(Int64(same)),
            "equal": .bool(isEqual), "listedCount": .number(Int64(listedCount)),
            "comparedCount": .number(Int64(comparedCount)), "differences": .array(differences.map(\.json)),
            "extra": .array(extra.map { .string($0) }),
        ]
        if let listedDigest { members["listedDigest"] = .string(listedDigest.description) }
        if let comparedDigest { members["comparedDigest"] = .string(comparedDigest.description) }
        if let reread {
            members["reread"] = .object([
                "images": .number(Int64(reread.images)), "bytes": .number(reread.bytes),
            ])
        }
        return .object(members)
    }
}

extension Comparison.Difference {
    var json: JSONValue {
        switch self {
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
    }
}
