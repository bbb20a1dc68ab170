import OCI
import OCIArchive

/// A store that can be put on a port: one that can be read from any place in it.
public struct ServedStore: Sendable {
    public let store: any SourceStore
    /// What it is, on one line.
    public let summary: String
    /// What it is, for machines; asked for as long as it is served.
    public let describe: @Sendable () async throws -> [String: JSONValue]

    /// What there is to say of the choice.
    public private(set) var notes: [String] = []

    /// Leaves nothing but the store in a folder that was written to; called when nobody is served any more.
    public private(set) var tidy: @Sendable () async throws -> Void = {}

    /// How a store is served.
    public struct Manner: Sendable {
        /// Whether the store itself is written to.
        public var writable = false
        /// The layout folder that takes what is pushed; none where nothing is.
        public var overlay: String?
        /// The name of the definition whose backups of a set are meant; nil for any.
        public var pipeline: String?
        /// Is given a line when something changes in what is served.
        public var tell: @Sendable (String) -> Void

        public init(
            writable: Bool = false, overlay: String? = nil, pipeline: String? = nil,
            tell: @escaping @Sendable (String) -> Void = { _ in }
        ) {
            self.pipeline = pipeline
            self.writable = writable
            self.overlay = overlay
            self.tell = tell
        }
    }

    /// - Throws: `LifeboatError` `.usage` for what cannot be served, and what opening throws.
    public static func open(
        _ definition: StoreDefinition, _ manner: Manner = Manner(), in environment: RunEnvironment
    ) async throws -> ServedStore {
        guard !manner.writable || manner.overlay == nil else {
            throw LifeboatError(.usage, "what is pushed goes into the store or into the overlay, not into both")
        }
        let served = try await opened(definition, manner, in: environment)
        guard let overlay = manner.overlay else { return served }
        guard try await environment.fileSystem.status(overlay + "/records", followLinks: true) == nil else {
            throw LifeboatError(
                .usage, "\(shown(overlay, limit: 1000)) is a backup set, and takes no pushes",
                advice: "--overlay wants a folder of its own; lifeboat import brings home what is in it")
        }
        if case .layout(let path) = definition, resolvedPath(path) == resolvedPath(overlay) {
            throw LifeboatError(.usage, "--overlay is what is served; --writable takes pushes into it")
        }
        let layout = try await Layout.create(
            overlay, surroundings: environment.surroundings, files: environment.fileSystem)
        var whole = ServedStore(
            store: Overlay(layout, over: served.store),
            summary: served.summary + ", pushes go to \(shown(overlay, limit: 1000)),",
            describe: {
                var members = try await served.describe()
                members["overlay"] = .object(["images": .number(Int64(try await layout.images().count))])
                return members
            })
        whole.tidy = { try await layout.flush() }
        whole.notes = served.notes
        return whole
    }

    private static func opened(
        _ definition: StoreDefinition, _ manner: Manner, in environment: RunEnvironment
    ) async throws -> ServedStore {
        let writable = manner.writable
        switch definition {
        case .registry: throw LifeboatError(.usage, "a registry is served already")
        case .archive(let path):
            guard !writable else {
                throw LifeboatError(
                    .usage, "an archive is never changed: \(shown(path, limit: 1000)) cannot be served writable",
                    advice: "--overlay DIR/ takes what is pushed into a folder of its own")
            }
            let catalog = try await environment.openedArchive(path)
            guard !(catalog is any SequentialSource) else {
                throw LifeboatError(
                    .usage, "\(shown(path, limit: 1000)) is compressed or a pipe, and can only be read in order",
                    advice: "lifeboat export \(shown(path, limit: 1000)) --to plain.tar, and serve that")
            }
            return try await ServedStore(unchanging: catalog)
        case .layout(let path):
            let files = environment.fileSystem
            let layout =
                writable
                ? try await Layout.create(
                    path, defaultRepository: environment.defaultRepository, surroundings: environment.surroundings,
                    files: files)
                : try await Layout.open(
                    path, defaultRepository: environment.defaultRepository, surroundings: environment.surroundings,
                    files: files)
            var served = ServedStore(
                store: layout, summary: try await summary(of: layout) + (writable ? ", writable," : ""),
                describe: { ["images": .number(Int64(try await layout.images().count))] })
            if writable { served.tidy = { try await layout.flush() } }
            return served
        case .backups(let path, let at):
            guard !writable else {
                throw LifeboatError(
                    .usage, "a backup is never changed: \(shown(path, limit: 1000)) cannot be served writable",
                    advice: "--overlay DIR/ takes what is pushed into a folder of its own")
            }
            let set = try await BackupSet.open(
                path, surroundings: environment.surroundings, files: environment.fileSystem)
            let followed = try await FollowedBackups(
                set, at: at, of: manner.pipeline, in: environment, tell: manner.tell)
            var served = ServedStore(
                store: followed, summary: try await followed.summary, describe: { try await followed.json })
            if at == nil { served.notes = try await set.othersThan(await followed.backup, pipeline: manner.pipeline) }
            return served
        }
    }

    /// A store whose images are the same as long as it is served.
    private init(unchanging catalog: any ImageCatalog) async throws {
        let directory = try await ImageDirectory(catalog)
        let members: [String: JSONValue] = ["images": .number(Int64(directory.images().count))]
        self.init(
            store: directory, summary: try await ServedStore.summary(of: catalog), describe: { members })
    }

    private init(
        store: any SourceStore, summary: String,
        describe: @escaping @Sendable () async throws -> [String: JSONValue]
    ) {
        self.store = store
        self.summary = summary
        self.describe = describe
    }

    private static func summary(of catalog: any ImageCatalog) async throws -> String {
        let number = try await catalog.images().count
        let images = number == 1 ? "1 image" : "\(number) images"
        guard let linked = catalog as? any LinkedArchive,
            let lack = try await catalog.images().lazy.compactMap({ linked.lack(of: $0) }).first
        else { return "\(catalog.name) (\(images))" }
        let complete = try await catalog.images().count { linked.lack(of: $0) == nil }
        return "\(catalog.name) (\(complete) of \(images) complete: \(lack.description))"
    }
}
