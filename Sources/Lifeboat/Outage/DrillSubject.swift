import OCI
import OCIArchive

/// What a drill restores from: the newest good backup of a set, or all of an archive or folder.
struct DrillSubject: Sendable {
    let definition: StoreDefinition
    let store: any SourceStore
    let images: [NamedImage]
    let name: String
    /// The backup of a set.
    var backup: Digest?
    /// When it was made, as far as that is known, in seconds since 1970.
    var time: Int64?
    /// Bytes of all images, where they are known without reading their manifests.
    var bytes: Int64?
    /// The set that takes the evidence.
    var set: BackupSet?

    /// Whether its images come from several registries, so that two of them can have one name.
    var hasOrigins: Bool { Set(images.map(\.registry)).count > 1 }

    /// - Throws: `LifeboatError` `.usage` for a registry, and what opening throws.
    static func open(_ definition: StoreDefinition, in environment: RunEnvironment) async throws -> DrillSubject {
        let files = environment.fileSystem
        switch definition {
        case .registry:
            throw LifeboatError(
                .usage, "a drill restores from a backup, not from a registry",
                advice: "a backup set, an archive or a layout folder")
        case .backups(let path, let at):
            let set = try await BackupSet.open(path, surroundings: environment.surroundings, files: files)
            let backup = try await set.find(at ?? "latest")
            let directory = try await ImageDirectory(try await set.source(of: backup))
            return DrillSubject(
                definition: .backups(path: path, at: backup.id.hex), store: directory, images: directory.images(),
                name: "\(set.name), backup \(backup.name)", backup: backup.id, time: backup.header.ended,
                bytes: backup.header.bytes, set: set)
        case .archive(let path), .layout(let path):
            let served = try await ServedStore.open(definition, in: environment)
            guard let catalog = served.store as? any ImageCatalog else {
                throw LifeboatError(.internal, "\(served.store.name) does not list its images")
            }
            let file = path + (definition.isLayout ? "/index.json" : "")
            return DrillSubject(
                definition: definition, store: catalog, images: try await catalog.images(), name: catalog.name,
                time: try await files.status(file, followLinks: true).map { $0.modified / 1_000_000_000 })
        }
    }
}

extension StoreDefinition {
    fileprivate var isLayout: Bool { if case .layout = self { true } else { false } }
}
