import NIOHTTP1
import OCI

/// How a registry lists the tags of a repository.
public enum TagListing: String, Sendable, Hashable, CaseIterable {
    /// Names only (distribution specification, "Listing Tags").
    case standard
    /// Azure: `/acr/v1/{repository}/_tags`, a digest for each tag.
    case acr
    /// Google: the standard listing has a member `manifest` besides.
    case google

    /// What is known of the registries of a host.
    init(host: String) {
        let azure = [".azurecr.io", ".azurecr.cn", ".azurecr.us", ".azurecr.de"]
        if azure.contains(where: host.hasSuffix) {
            self = .acr
        } else if host == "gcr.io" || host.hasSuffix(".gcr.io") || host.hasSuffix(".pkg.dev") {
            self = .google
        } else {
            self = .standard
        }
    }
}

extension RemoteRepository: DigestListing {
    public func listedTags() async throws -> [Tag: ListedTag]? {
        guard registry.listing != .standard else { return nil }
        if let known = registry.withMemory({ $0.listings[repository] }) { return known }
        // Once for all that ask at the same time.
        return try await registry.turns.take("tags of \(repository)") {
            if let known = registry.withMemory({ $0.listings[repository] }) { return known }
            _ = try await tags()
            return registry.withMemory { $0.listings[repository] }
        }
    }

    public func descriptor(of listed: ListedTag) -> Descriptor {
        registry.withMemory { _ = $0.statedSizes.insert(listed.digest) }
        return Descriptor(mediaType: listed.mediaType ?? .octetStream, digest: listed.digest, size: 1)
    }

    /// The names that the registry lists as tags; what it says of their digests is remembered.
    func listedNames() async throws -> [String] {
        let pages = Pages(
            registry: registry, access: pull, member: "tags", what: "the list of tags", repository: repository)
        if registry.listing == .acr, let names = try await azureNames(pages) { return names }
        var found: [Tag: ListedTag] = [:]
        let isGoogle = registry.listing == .google
        let names = try await pages.read(from: address("tags/list?n=\(Pages.size)")) { answer in
            answer.status == 404
                ? RegistryError(
                    .notFound, "\(registry.name) has no repository \(repository)",
                    advice: "check the name; lifeboat list \(registry.name) shows what is there", status: 404) : nil
        } visit: { page throws(OCIError) in
            if isGoogle { try GoogleListing.add(page, to: &found) }
        }
        if isGoogle { remember(found) }
        return names
    }

    /// - Returns: nil where the registry does not let us list in its own way.
    private func azureNames(_ pages: Pages) async throws -> [String]? {
        guard registry.withMemory({ !$0.lacksOwnListing }) else { return nil }
        var pages = pages
        pages.access = .metadata(repository)
        var found: [Tag: ListedTag] = [:]
        do {
            let names = try await pages.read(
                from: registry.root.at("/acr/v1/\(repository)/_tags?n=\(Pages.size)"), entry: AzureListing.name
            ) { answer in
                [400, 401, 403, 404, 405].contains(answer.status)
                    ? RegistryError(.notFound, "no listing of its own", status: answer.status) : nil
            } visit: { page throws(OCIError) in
                try AzureListing.add(page, to: &found)
            }
            remember(found)
            return names
        } catch let error as RegistryError where error.kind == .notFound || error.kind == .auth {
            // A 404 may be about the repository alone; the standard listing says so.
            if error.status != 404 { registry.withMemory { $0.lacksOwnListing = true } }
            return nil
        }
    }

    private func remember(_ found: [Tag: ListedTag]) {
        registry.withMemory { $0.listings[repository] = found }
    }
}

extension Access {
    /// What is known about tags and manifests, in the words of Azure.
    static func metadata(_ repository: RepositoryName) -> Access {
        Access(repository: repository, scopes: ["repository:\(repository):metadata_read,pull"])
    }
}
