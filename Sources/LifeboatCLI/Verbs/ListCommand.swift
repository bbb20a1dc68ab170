import ArgumentParser
import Lifeboat
import OCI

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List what a registry, an archive or a folder holds: repositories, tags, digests, sizes.")

    @Argument(help: ArgumentHelp("HOST, HOST/PATTERN, an archive or a layout folder.", valueName: "host|path"))
    var place: String

    @Flag(help: "Names and digests only: no manifest is read.")
    var names = false

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries, repository: selection.archive.repository)
        var entries: [Survey.Entry] = []
        let sources = try await sources(&environment)
        do {
            for source in sources { entries += try await Survey(environment).list(source, readsGraphs: !names) }
        } catch let error as any Failure {
            let failure = withoutLoop(FailureReport(error))
            throw LifeboatError(failure.kind, failure.message, advice: failure.advice)
        }
        if output.json {
            Terminal.answer(JSONValue.array(entries.map(\.json)))
        } else {
            for line in table(entries) { Terminal.answer(line) }
            for line in lacks(entries) { Terminal.answer(line) }
        }
        for failure in entries.compactMap(\.failure) { Terminal.story(withoutLoop(failure).words) }
        if let first = entries.compactMap(\.failure).first {
            throw ExitCode(entries.contains { $0.failure == nil } ? 3 : first.kind.exitCode)
        }
    }

    private func sources(_ environment: inout RunEnvironment) async throws -> [SourceDefinition] {
        let asWritten = try await selection.sources([place], in: &environment, quiet: output.quiet)
        guard case .registry = asWritten[0].store, !place.contains("*"), !place.contains("@"),
            let slash = place.firstIndex(of: "/"), !place[slash...].contains(":")
        else { return asWritten }
        // HOST/REPOSITORY without a tag: all of its tags.
        return try await selection.sources([place + ":*"], in: &environment, quiet: output.quiet)
    }

    /// Whoever has asked for this list is not told to ask for it.
    private func withoutLoop(_ failure: FailureReport) -> FailureReport {
        let loop = "lifeboat list \(place) shows what is there"
        guard let advice = failure.advice, advice.hasSuffix(loop) else { return failure }
        var failure = failure
        let rest = advice.dropLast(loop.count)
        failure.advice = rest.hasSuffix("; ") ? String(rest.dropLast(2)) : nil
        return failure
    }

    /// What is not complete in a delta or a volume, by what is lacking.
    private func lacks(_ entries: [Survey.Entry]) -> [String] {
        var numbers: [String: Int] = [:]
        for lack in entries.compactMap(\.lack) {
            numbers[lack.message + (lack.advice.map { "\n  try: " + $0 } ?? ""), default: 0] += 1
        }
        return numbers.sorted { $0.key < $1.key }.map { "\(count($0.value, "image")) not complete: \($0.key)" }
    }

    private func table(_ entries: [Survey.Entry]) -> [String] {
        var rows: [[String]] = []
        // Names that say a digest are longer than any that people give, and push nothing aside.
        var width = 0
        // Two registries may have one name.
        let isOfSeveral = Set(entries.compactMap { $0.image?.registry }).count > 1
        for entry in entries {
            guard let image = entry.image else { continue }
            let name = (isOfSeveral ? image.registry.map { shown($0, limit: 300) + "/" } ?? "" : "") + image.answerName
            let bytes = entry.graph.map { size($0.size) } ?? ""
            let kind =
                image.descriptor.mediaType.isIndex ? "index" : image.descriptor.mediaType.isManifest ? "image" : "other"
            let isPart = entry.lack != nil
            let isUsual = image.tag.map { $0.companionStem == nil } ?? false
            if isUsual { width = max(width, name.count) }
            rows.append([
                name, Terminal.digest(image.descriptor.digest), isPart ? "part" : names ? "" : kind,
                isPart ? "" : bytes,
            ])
        }
        let lines = Table.aligned(rows, first: width == 0 ? nil : width)
        let repositories = Set(
            entries.compactMap(\.image).map { [isOfSeveral ? $0.registry ?? "" : "", $0.repository.description] }
        ).count
        return lines + [
            "\(count(rows.count, "image")) in \(repositories == 1 ? "1 repository" : "\(repositories) repositories")"
        ]
    }
}

extension NamedImage {
    /// `sha256-` and twelve digits.
    private static let companionDigits = 19

    /// The name as an answer shows it: the tag of a signature is longer than a line, and where there is little room its
    /// digest is cut short as others are.
    var answerName: String {
        guard Terminal.isNarrow, let tag, let stem = tag.companionStem else { return name }
        let text = tag.description
        return "\(repository):\(text.prefix(Self.companionDigits))…\(text.dropFirst(stem.description.count))"
    }
}

extension Survey.Entry {
    var json: JSONValue {
        var members: [String: JSONValue] = ["name": .string(name)]
        if let image {
            members["repository"] = .string(image.repository.description)
            if let tag = image.tag { members["tag"] = .string(tag.description) }
            if let registry = image.registry { members["registry"] = .string(registry) }
            members["digest"] = .string(image.descriptor.digest.description)
            members["mediaType"] = .string(image.descriptor.mediaType.rawValue)
        }
        if let graph { members["bytes"] = .number(graph.size) }
        if let lack { members["lacks"] = .string(lack.message) }
        if let failure {
            members["error"] = .object(["class": .string(failure.kind.rawValue), "message": .string(failure.message)])
        }
        return .object(members)
    }
}
