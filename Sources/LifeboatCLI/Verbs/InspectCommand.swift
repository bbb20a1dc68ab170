import ArgumentParser
import Lifeboat
import OCI

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show what an image consists of: manifests, platforms, layers, referrers.")

    @Argument(help: ArgumentHelp("An image, an archive or a layout folder.", valueName: "path|image"))
    var place: String

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries, repository: selection.archive.repository)
        var trees: [(image: NamedImage, tree: Survey.Node?, lack: FailureReport?)] = []
        let sources = try await selection.sources([place], in: &environment, quiet: output.quiet)
        for source in sources {
            trees += try await Survey(environment).inspect(source)
        }
        if output.json {
            Terminal.answer(
                JSONValue.array(
                    trees.map { image, tree, lack in
                        var members: [String: JSONValue] = ["name": .string(image.name)]
                        members["manifest"] = tree?.json
                        members["lacks"] = lack.map { .string($0.message) }
                        return .object(members)
                    }
                ).indented)
            return
        }
        for (image, tree, lack) in trees {
            Terminal.answer((image.registry.map { $0 + "/" } ?? "") + image.answerName)
            for line in tree?.lines ?? [] { Terminal.answer("  " + line) }
            if let lack {
                Terminal.answer("  \(image.descriptor.digest), not complete: \(lack.message)")
                if let advice = lack.advice { Terminal.answer("  try: \(advice)") }
            }
        }
    }
}

extension Survey.Node {
    /// The tree as indented lines.
    var lines: [String] {
        var lines = ["\(title)  \(Terminal.digest(manifest.descriptor.digest))  \(size(manifest.descriptor.size))"]
        switch manifest.kind {
        case .image(let config, let layers):
            if let config {
                lines.append("  config  \(Self.words(config))")
            }
            for layer in layers {
                lines.append(
                    "  layer   \(Self.words(layer))" + (layer.isForeign ? "  foreign: recorded, not moved" : ""))
            }
        case .index(let entries):
            for entry in entries where !entry.mediaType.isManifest {
                lines.append("  blob    \(Self.words(entry))")
            }
            for child in children { lines += child.lines.map { "  " + $0 } }
        }
        for referrer in referrers {
            lines.append("  referred to by:")
            lines += referrer.lines.map { "    " + $0 }
        }
        return lines
    }

    private static func words(_ blob: Descriptor) -> String {
        let type = shown(blob.mediaType.rawValue)
        // What all of them begin with says nothing.
        let common = "application/vnd."
        let short = Terminal.isNarrow && type.hasPrefix(common) ? String(type.dropFirst(common.count)) : type
        return "\(Terminal.digest(blob.digest))  \(size(blob.size))  \(short)"
    }

    private var title: String {
        let kind = if case .index = manifest.kind { "index" } else { "image" }
        if let platform = descriptor.platform { return "\(kind) \(shown(platform.description))" }
        if manifest.subject != nil { return "\(kind) \(shown(manifest.artifactType ?? ""))" }
        return kind
    }

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "mediaType": .string(manifest.descriptor.mediaType.rawValue),
            "digest": .string(manifest.descriptor.digest.description), "size": .number(manifest.descriptor.size),
        ]
        if let platform = descriptor.platform { members["platform"] = .string(platform.description) }
        if let type = manifest.artifactType { members["artifactType"] = .string(type) }
        switch manifest.kind {
        case .image(let config, let layers):
            if let config { members["config"] = config.json }
            members["layers"] = .array(layers.map(\.json))
        case .index: members["manifests"] = .array(children.map(\.json))
        }
        if !referrers.isEmpty { members["referrers"] = .array(referrers.map(\.json)) }
        return .object(members)
    }
}
