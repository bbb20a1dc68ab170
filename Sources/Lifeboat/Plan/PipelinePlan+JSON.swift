import NIOCore
import OCI
import OCIArchive

extension PipelinePlan {
    /// The plan for machines (`pipelines/plan.schema.json`). Members are only ever added.
    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "version": .number(1), "plan": .string(name), "changes": .bool(hasChanges),
            "steps": .array(steps.map(\.json)), "bytes": .number(steps.reduce(0) { $0 + $1.bytes }),
            "totals": ImagePlan.totals(steps.lazy.flatMap(\.images)),
        ]
        if let seconds { members["seconds"] = seconds.json }
        if let definition {
            members["definition"] = .object([
                "file": .string(definition.file), "digest": .string(definition.digest.description),
                "moment": .number(definition.moment), "inputs": .object(definition.inputs.mapValues { .string($0) }),
                "variables": .object(definition.variables.mapValues { .string($0) }),
            ])
        }
        return .object(members)
    }
}

extension StepPlan {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(name), "kind": .string(kind.rawValue), "from": .string(source), "to": .string(target),
            "images": .array(images.map(\.json)), "totals": ImagePlan.totals(images), "bytes": .number(bytes),
            "requests": .object(["planning": json(planning), "run": json(requests)]),
            "limits": .array(limits.map(\.json)),
        ]
        if let binding { members["binding"] = binding.json }
        if let error { members["error"] = error.json }
        if !notes.isEmpty { members["notes"] = .array(notes.map { .string($0) }) }
        return .object(members)
    }

    private func json(_ requests: [String: [String: Int]]) -> JSONValue {
        .object(requests.mapValues { kinds in .object(kinds.mapValues { .number(Int64($0)) }) })
    }
}

extension LimitEstimate {
    var json: JSONValue {
        .object([
            "store": .string(store), "limit": .string(kind.rawValue), "perSecond": rate.json, "amount": amount.json,
            "seconds": seconds.json,
        ])
    }
}

extension ImagePlan {
    static func totals(_ images: some Sequence<ImagePlan>) -> JSONValue {
        var counts = Dictionary(uniqueKeysWithValues: Action.allCases.map { ($0.rawValue, Int64(0)) })
        for image in images { counts[image.action.rawValue, default: 0] += 1 }
        return .object(counts.mapValues { .number($0) })
    }

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "source": .string(source), "target": .string(target), "action": .string(action.rawValue),
            "rule": .string(rule), "size": .number(size), "bytes": .number(bytes),
        ]
        if let digest { members["digest"] = .string(digest.description) }
        if let replaces { members["replaces"] = .string(replaces.description) }
        if let failure { members["error"] = failure.json }
        return .object(members)
    }
}

// MARK: Reading

extension PipelinePlan {
    /// The largest plan that is read: over a million images.
    public static let sizeLimit = 512 << 20

    /// Whether a file is a plan and not a definition: JSON that begins as this writes it.
    public static func isPlan(_ bytes: some Collection<UInt8>) -> Bool {
        let head = bytes.prefix(64).filter { $0 != 0x20 && $0 != 0x0a && $0 != 0x0d && $0 != 0x09 }
        return head.starts(with: Array(#"{"bytes":"#.utf8))
    }

    /// Reads a plan from a file; nil if the file is something else, or is not there.
    public static func read(_ path: String, from fileSystem: any FileSystem) async throws -> PipelinePlan? {
        guard let status = try await fileSystem.status(path, followLinks: true), status.kind == .file else {
            return nil
        }
        let file = try await fileSystem.open(path, .read)
        let place = shown(path, limit: 1000)
        let bytes: ByteBuffer? = try await closing(file) {
            guard isPlan(try await file.read(at: 0, count: 64).readableBytesView) else { return nil }
            guard status.size <= sizeLimit else {
                throw LifeboatError(.policy, "the plan \(place) has \(status.size) bytes, the limit is \(sizeLimit)")
            }
            return try await file.read(at: 0, count: Int(status.size))
        }
        return try bytes.map { try PipelinePlan(json: try JSONValue(parsing: $0, in: place), in: place) }
    }

    public func write(to file: ReportFile) async throws { try await file.write(json.indented + "\n") }

    /// Reads a plan that was written with `json`: what is needed to run it.
    ///
    /// - Throws: `OCIError` `.damaged` for what is no plan; `LifeboatError` `.policy` for one of a later version.
    public init(json: JSONValue, in place: String) throws {
        let members = try json.object(place)
        guard case .string(let name)? = members["plan"], let version = members["version"]?.integerValue else {
            throw LifeboatError(.policy, "\(place) is not a plan, want what lifeboat plan --out has written")
        }
        guard version == 1 else {
            throw LifeboatError(
                .policy, "\(place) is a plan of version \(version), want 1", advice: "make the plan again")
        }
        self.init(name: name)
        if let value = members["definition"] {
            let definition = try value.object("\(place): definition")
            self.definition = Definition(
                file: try definition["file"].required("\(place): definition.file").string("definition.file"),
                digest: try Digest(
                    parsing: try definition["digest"].required("\(place): definition.digest").string("digest")),
                moment: try definition["moment"].required("\(place): definition.moment").integer("moment"),
                inputs: try definition["inputs"]?.strings("\(place): definition.inputs") ?? [:],
                variables: try definition["variables"]?.strings("\(place): definition.variables") ?? [:])
        }
        for (number, step) in try members["steps"].required("\(place): steps").array("\(place): steps").enumerated() {
            steps.append(try StepPlan(json: step, in: "\(place): steps[\(number)]"))
        }
    }
}

extension StepPlan {
    fileprivate init(json: JSONValue, in place: String) throws {
        let members = try json.object(place)
        func text(_ name: String) throws -> String {
            try members[name].required("\(place).\(name)").string("\(place).\(name)")
        }
        guard let kind = StepReport.Kind(rawValue: try text("kind")) else {
            throw LifeboatError(.policy, "\(place).kind is not known")
        }
        self.init(name: try text("name"), kind: kind, source: try text("from"), target: try text("to"))
        for (number, image) in try members["images"].required("\(place).images").array("images").enumerated() {
            images.append(try ImagePlan(json: image, in: "\(place).images[\(number)]"))
        }
    }
}

extension ImagePlan {
    fileprivate init(json: JSONValue, in place: String) throws {
        let members = try json.object(place)
        func text(_ name: String) throws -> String {
            try members[name].required("\(place).\(name)").string("\(place).\(name)")
        }
        guard let action = Action(rawValue: try text("action")) else {
            throw LifeboatError(.policy, "\(place).action is not known")
        }
        self.init(source: try text("source"), target: try text("target"), action: action, rule: try text("rule"))
        digest = try members["digest"].map { try Digest(parsing: try $0.string("\(place).digest")) }
        replaces = try members["replaces"].map { try Digest(parsing: try $0.string("\(place).replaces")) }
        if !([.failed, .conflict].contains(action)), digest == nil {
            throw LifeboatError(.policy, "\(place) has no digest")
        }
    }
}

extension JSONValue? {
    fileprivate func required(_ place: String) throws(LifeboatError) -> JSONValue {
        guard let self else { throw LifeboatError(.policy, "\(place) is missing") }
        return self
    }
}
