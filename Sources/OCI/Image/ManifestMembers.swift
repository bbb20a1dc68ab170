import NIOCore

/// The members of a manifest, read so that no tree of a large document is ever in memory: lists become descriptors as they
/// come, and what nobody asks for is checked and passed over.
struct ManifestMembers {
    /// Lists of descriptors by the name of their member, or the first thing that is wrong with one.
    private var lists: [String: Result<[Descriptor], OCIError>] = [:]
    private var annotations: Result<[String: String], OCIError> = .success([:])
    /// Small members as they are; `true` for those that only count as being there.
    private var others: [String: JSONValue] = [:]
    private let place: String

    private static let listNames: Set = ["manifests", "layers", "blobs"]
    private static let keptNames: Set = ["schemaVersion", "mediaType", "artifactType", "config", "subject"]

    /// - Throws: `OCIError` `.damaged` for what is not valid JSON, or no object.
    init(parsing bytes: ByteBuffer, in place: String) throws(OCIError) {
        var members = ManifestMembers(place: place)
        let result: Result<Void, OCIError> = bytes.withUnsafeReadableBytes { storage in
            do throws(OCIError) {
                return .success(try members.read(storage))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        self = members
    }

    private init(place: String) {
        self.place = place
    }

    /// Whether there is such a member that is not `null`.
    func has(_ name: String) -> Bool { lists[name] != nil || others[name] != nil }

    subscript(name: String) -> JSONValue? { others[name] }

    func descriptors(_ name: String) throws(OCIError) -> [Descriptor]? { try lists[name]?.get() }

    func readAnnotations() throws(OCIError) -> [String: String] { try annotations.get() }

    private mutating func read(_ bytes: UnsafeRawBufferPointer) throws(OCIError) {
        var parser = JSONParser(bytes: bytes, place: place)
        try parser.begin()
        guard parser.next == UInt8(ascii: "{") else {
            let value = try parser.value()
            try parser.end()
            _ = try value.object(place)
            return
        }
        var names: Set<String> = []
        try parser.forEachMember { name, parser throws(OCIError) in
            guard names.insert(name).inserted else { throw parser.twice(name) }
            try read(name, &parser)
        }
        try parser.end()
    }

    private mutating func read(_ name: String, _ parser: inout JSONParser) throws(OCIError) {
        switch (name, parser.next) {
        case (_, UInt8(ascii: "[")) where Self.listNames.contains(name): lists[name] = try list(name, &parser)
        case ("annotations", UInt8(ascii: "{")): annotations = try strings(&parser)
        case _ where Self.keptNames.contains(name) || Self.listNames.contains(name) || name == "annotations":
            let value = try parser.value()
            if value == .null { return }
            if Self.listNames.contains(name) {
                lists[name] = failure { () throws(OCIError) in _ = try value.array("\(place): \(name)") }
            } else if name == "annotations" {
                annotations = failure { () throws(OCIError) in _ = try value.strings("\(place): annotations") }
            } else {
                others[name] = value
            }
        default:
            if parser.next == UInt8(ascii: "n") {
                if try parser.value() != .null { others[name] = .bool(true) }
            } else {
                try parser.skip()
                others[name] = .bool(true)
            }
        }
    }

    private func failure<Value>(_ check: () throws(OCIError) -> Void) -> Result<Value, OCIError> {
        do throws(OCIError) {
            try check()
            return .failure(.damaged("\(place) has a member of the wrong type"))
        } catch {
            return .failure(error)
        }
    }

    /// What is wrong with an item is told when the list is asked for: first comes what is wrong with the JSON.
    private func list(_ name: String, _ parser: inout JSONParser) throws(OCIError) -> Result<[Descriptor], OCIError> {
        var descriptors: [Descriptor] = []
        var fault: OCIError?
        var number = 0
        try parser.forEachItem { parser throws(OCIError) in
            let item = try parser.value()
            if fault == nil {
                do throws(OCIError) {
                    descriptors.append(try Descriptor(json: item, in: "\(place): \(name)[\(number)]"))
                } catch {
                    fault = error
                }
            }
            number += 1
        }
        return fault.map { .failure($0) } ?? .success(descriptors)
    }

    private func strings(_ parser: inout JSONParser) throws(OCIError) -> Result<[String: String], OCIError> {
        var strings: [String: String] = [:]
        var fault: OCIError?
        try parser.forEachMember { name, parser throws(OCIError) in
            let value = try parser.value()
            var text = ""
            do throws(OCIError) {
                text = try value.string("\(place): annotations.\(shown(name, limit: 80))")
            } catch {
                if fault == nil { fault = error }
            }
            guard strings.updateValue(text, forKey: name) == nil else { throw parser.twice(name) }
        }
        return fault.map { .failure($0) } ?? .success(strings)
    }
}
