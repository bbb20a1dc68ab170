import OCI
import OCIArchive

/// What a target will call each of some images.
struct TargetNames: Sendable {
    struct Name: Sendable {
        var repository: RepositoryName
        var tag: Tag?
    }

    /// One for each image, in their order.
    private let names: [Name?]

    /// Nil for an image that was asked for twice: it is one at the target, under the name that the first has.
    subscript(number: Int) -> Name? { names[number] }

    /// - Throws: `LifeboatError` `.policy` for an image that gets no name, and for two images that want one name.
    init(of images: [Planner.Candidate], at target: Planner.Target) throws {
        var byKey: [String: Int] = [:]
        var names: [Name?] = []
        names.reserveCapacity(images.count)
        for (number, candidate) in images.enumerated() {
            let image = candidate.image
            let name = try TargetNames.name(of: candidate, at: target)
            let shownKey = "\(name.repository)\(name.tag.map { ":\($0)" } ?? "@\(image.descriptor.digest)")"
            // An archive tells images by their registry too.
            let key = target.store is any PlannedTarget ? (image.registry ?? "") + "/" + shownKey : shownKey
            if let other = byKey[key].map({ images[$0] }) {
                guard other.image.descriptor.digest == image.descriptor.digest else {
                    throw LifeboatError(
                        .policy,
                        "\(other.name) and \(candidate.name) would both become \(shownKey) at \(target.store.name), "
                            + "with different digests",
                        advice: TargetNames.advice(other.image, image))
                }
                names.append(nil)
                continue
            }
            byKey[key] = number
            names.append(name)
        }
        self.names = names
    }

    private static func name(of candidate: Planner.Candidate, at target: Planner.Target) throws(LifeboatError) -> Name {
        do {
            let (repository, tag) = try target.naming.target(for: candidate.selected)
            return Name(repository: repository, tag: tag)
        } catch {
            throw LifeboatError(
                .policy, "\(candidate.name) gets no name at \(target.store.name): \(error.description)",
                advice: "change prefix, rename or retag, or leave the image out")
        }
    }

    /// What keeps two images apart that would get one name.
    private static func advice(_ image: NamedImage, _ other: NamedImage) -> String {
        if image.repository != other.repository {
            return "change rename, so that each repository has a name of its own"
        }
        if image.tag != other.tag { return "change retag, so that each tag has a name of its own" }
        return "import them into different prefixes, or one registry at a time: --registry HOST, --registry none for "
            + "what came from nobody knows where"
    }
}
