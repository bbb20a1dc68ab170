import OCI
import OCIArchive

/// A store that can be put on a port: one that can be read from any place in it.
public struct ServedStore: Sendable {
    public let store: any SourceStore
    /// What it is, on one line.
    public let summary: String

    /// - Throws: `LifeboatError` `.usage` for what cannot be served, and what opening throws.
    public static func open(
        _ definition: StoreDefinition, writable: Bool, in environment: RunEnvironment
    ) async throws -> ServedStore {
        switch definition {
        case .registry: throw LifeboatError(.usage, "a registry is served already")
        case .archive(let path):
            guard !writable else {
                throw LifeboatError(
                    .usage, "an archive is never changed: \(shown(path, limit: 1000)) cannot be served writable",
                    advice: "export it to a folder (--to DIR/), and serve that")
            }
            let catalog = try await environment.openedArchive(path)
            guard !(catalog is any SequentialSource) else {
                throw LifeboatError(
                    .usage, "\(shown(path, limit: 1000)) is compressed or a pipe, and can only be read in order",
                    advice: "lifeboat export \(shown(path, limit: 1000)) --to plain.tar, and serve that")
            }
            return ServedStore(store: catalog, summary: try await summary(of: catalog))
        case .layout(let path):
            let files = environment.fileSystem
            guard writable else {
                let layout = try await Layout.open(
                    path, defaultRepository: environment.defaultRepository, surroundings: environment.surroundings,
                    files: files)
                return ServedStore(store: layout, summary: try await summary(of: layout))
            }
            let layout = try await Layout.create(
                path, defaultRepository: environment.defaultRepository, surroundings: environment.surroundings,
                files: files)
            return ServedStore(store: layout, summary: try await summary(of: layout) + ", writable,")
        case .backups(let path, let at):
            guard !writable else {
                throw LifeboatError(
                    .usage, "a backup is never changed: \(shown(path, limit: 1000)) cannot be served writable",
                    advice: "export it to a folder (--to DIR/), and serve that")
            }
            let source = try await environment.openedBackup(path, at)
            return ServedStore(store: source, summary: try await summary(of: source) + ", \(source.summary)")
        }
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
