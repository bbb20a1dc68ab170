import OCI
import OCIArchive

extension OpenStores {
    /// The sources of a step, opened: what a delta among them builds on is read with it, and is no source by itself.
    ///
    /// - Returns: also what a reader should know.
    func sources(_ definitions: [SourceDefinition]) async throws -> (sources: [Planner.Source], notes: [String]) {
        let files = definitions.map(\.store).uniqued().filter { if case .registry = $0 { false } else { true } }
        var opened: [(definition: StoreDefinition, catalog: any ImageCatalog)] = []
        if files.count > 1 {
            for file in files {
                if let catalog = try await source(file) as? any ImageCatalog { opened.append((file, catalog)) }
            }
        }
        // Several volumes of one archive are that archive once.
        var seen: Set<Digest> = []
        var passedOver: Set<StoreDefinition> = []
        for (definition, catalog) in opened {
            guard let volumes = catalog as? any LinkedArchive, volumes.lineage.volume != nil else { continue }
            if !seen.insert(volumes.id).inserted { passedOver.insert(definition) }
        }
        var built: [StoreDefinition: String] = [:]
        for (definition, catalog) in opened where !passedOver.contains(definition) {
            guard let delta = catalog as? any LinkedArchive, delta.lineage.base != nil else { continue }
            let chain = OpenStores.chain(under: delta, among: opened)
            guard !chain.isEmpty else { continue }
            passedOver.formUnion(chain.map(\.definition))
            replace(definition, with: try await delta.building(on: chain.map(\.catalog)))
            let names = chain.map(\.catalog.name).joined(separator: ", ")
            built[definition] = "\(delta.name) builds on \(names): the images are those of \(delta.name)"
        }
        var notes: [String] = []
        var sources: [Planner.Source] = []
        for definition in definitions where !passedOver.contains(definition.store) {
            let store = try await source(definition.store)
            if let note = built[definition.store] { notes.append(note) }
            if let linked = store as? any LinkedArchive { notes += OpenStores.notes(of: linked) }
            sources.append(Planner.Source(store: store, selection: definition.selection))
        }
        return (sources, notes.uniqued())
    }

    /// What a delta builds on, what that builds on, and so on, as far as it is there.
    private static func chain(
        under delta: any LinkedArchive, among opened: [(definition: StoreDefinition, catalog: any ImageCatalog)]
    ) -> [(definition: StoreDefinition, catalog: any ImageCatalog)] {
        var chain: [(definition: StoreDefinition, catalog: any ImageCatalog)] = []
        var wanted = delta.lineage.base?.id
        while let id = wanted, let next = opened.first(where: { $0.catalog.archiveID == id }),
            !chain.contains(where: { $0.definition == next.definition })
        {
            chain.append(next)
            wanted = (next.catalog as? any LinkedArchive)?.lineage.base?.id
        }
        return chain
    }

    private static func notes(of linked: any LinkedArchive) -> [String] {
        linked.notes + linked.faults.map(\.description)
    }
}

extension ImageCatalog {
    /// The id that a delta would name if it built on this; nil for what has none.
    var archiveID: Digest? {
        switch self {
        case let archive as ArchiveSource: archive.id
        case let archive as SequentialArchive: archive.id
        case let archive as any LinkedArchive: archive.id
        case let source as BackupSource: source.backup.id
        default: nil
        }
    }
}
