import OCI
import OCIArchive
import OCIRegistry

extension Drill {
    /// Serves the backup as it is, and pulls one image from it as a node would.
    ///
    /// - Returns: the seconds since `began`.
    func pullFirst(
        _ image: NamedImage, of subject: DrillSubject, since began: ContinuousClock.Instant
    ) async throws -> Double {
        let seconds = Answer<Double>()
        try await serving(subject.store, false) { [environment] host in
            let registry = try Registry(
                host: host, options: environment.registries, surroundings: environment.surroundings,
                logger: environment.logger)
            do {
                try await Drill.pull(image, from: registry, saysOrigin: subject.hasOrigins)
            } catch {
                try await registry.shutdown()
                throw error
            }
            try await registry.shutdown()
            await seconds.set(began.duration(to: .now).seconds)
        }
        guard let seconds = await seconds.value else {
            throw LifeboatError(.internal, "the embedded server has ended before the first pull")
        }
        return seconds
    }

    /// Reads all of an image by its name, every byte checked.
    ///
    /// - Parameter saysOrigin: whether its path has to say which registry it came from.
    private static func pull(_ image: NamedImage, from registry: Registry, saysOrigin: Bool) async throws {
        var name = image.repository
        if saysOrigin, let origin = image.registry {
            name = try RepositoryName("\(NodeRegistry(name: origin).pathPart)/\(image.repository)")
        }
        let repository = registry.repository(name)
        let found = try await repository.resolve(
            image.tag.map { .tag($0) } ?? .digest(image.descriptor.digest))
        guard found.digest == image.descriptor.digest else {
            throw LifeboatError(
                .damaged, "\(image.name) is served as \(found.digest), want \(image.descriptor.digest)")
        }
        let graph = try await ImageGraph.read(found, from: repository)
        for blob in graph.blobs { try await repository.read(blob) { try await $0.verify() } }
    }

    /// Restores images into a throw-away registry, over the network as it would be done, and reads them back.
    func restore(_ images: [NamedImage], of subject: DrillSubject, into result: inout DrillResult) async throws {
        let folder = environment.workFolder + "/drill-" + environment.surroundings.id()
        let reports = Answer<[StepReport]>()
        do {
            let layout = try await Layout.create(
                folder, surroundings: environment.surroundings, files: environment.fileSystem)
            try await serving(layout, true) { [self] host in
                let steps = try self.steps(for: images, of: subject, to: .registry(host: host, prefix: ""))
                await reports.set(await Runner(environment.forDrill, observe: observe).run(steps, name: "drill").steps)
            }
        } catch {
            try await remove(folder)
            throw error
        }
        try await remove(folder)
        try Task.checkCancellation()
        for step in await reports.value ?? [] { result.add(step) }
    }

    /// One restore of all images; where they come from several registries one for each, under its name, since two of
    /// them may call different images the same.
    private func steps(
        for images: [NamedImage], of subject: DrillSubject, to target: StoreDefinition
    ) throws -> [Step] {
        var restores: [Step] = []
        var checks: [Step] = []
        let groups =
            subject.hasOrigins ? Dictionary(grouping: images) { Optional(Selection.Origin($0)) } : [nil: images]
        for (number, group) in groups.sorted(by: { ($0.key?.prefix ?? "") < ($1.key?.prefix ?? "") }).enumerated() {
            let source = SourceDefinition(
                store: subject.definition, selection: Selection(exactly: group.value, of: group.key))
            let naming = Naming(prefix: group.key?.prefix ?? "")
            let copy = CopyStep(
                kind: .import, sources: [source], target: target, naming: naming, overwrite: .never)
            let check = VerifyStep(sources: [source], against: target, naming: naming, reread: .compared)
            let suffix = number == 0 ? "" : "-\(number + 1)"
            restores.append(Step(name: "restore" + suffix, work: .copy(copy), onError: .continue))
            checks.append(Step(name: "pull back" + suffix, work: .verify(check), onError: .continue))
        }
        return restores + checks
    }

    private func remove(_ folder: String) async throws {
        let files = environment.fileSystem
        guard let status = try await files.status(folder, followLinks: false) else { return }
        if status.kind == .folder {
            for name in try await files.list(folder) { try await remove(folder + "/" + name) }
        }
        try await files.remove(folder)
    }
}

/// Something that is found out in a closure.
private actor Answer<Value: Sendable> {
    private(set) var value: Value?
    func set(_ value: Value) { self.value = value }
}

extension RunEnvironment {
    /// Without what a drill must not touch: what is remembered of real targets, and hours in which nothing may run.
    fileprivate var forDrill: RunEnvironment {
        var environment = self
        environment.writtenTags = nil
        environment.settings = PipelineSettings()
        environment.registries.credentials = .anonymous
        return environment
    }
}

extension Selection {
    /// Exactly these images, whatever refers to them too.
    fileprivate init(exactly images: [NamedImage], of origin: Origin?) {
        let rules = Dictionary(grouping: images, by: \.repository).sorted { $0.key < $1.key }.map { name, images in
            SelectionRule(
                repositories: [Glob(name.description)],
                tags: images.compactMap { $0.tag.map { Glob($0.description) } },
                digests: images.filter { $0.tag == nil }.map(\.descriptor.digest))
        }
        self.init(rules: rules, origin: origin)
    }
}

extension Selection.Origin {
    fileprivate init(_ image: NamedImage) {
        self = image.registry.map { .registry($0) } ?? .unknown
    }

    /// Where its images go in a registry that has others too: as `serve` tells registries apart by the path.
    fileprivate var prefix: String {
        switch self {
        case .registry(let name): NodeRegistry(name: name).pathPart
        case .unknown: ""
        }
    }
}
