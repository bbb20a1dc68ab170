import NIOHTTP1
import OCI

/// A listing that comes in pages (distribution specification, "Listing Tags").
struct Pages: Sendable {
    /// Entries that are asked for at once; registries may give fewer.
    static let size = 1000
    /// The most pages of one listing.
    static let limit = 10_000
    /// The longest page: some registries give 100,000 tags in one.
    static let sizeLimit = 32 << 20

    let registry: Registry
    var access: Access
    /// The member of the document that holds the names.
    let member: String
    let what: String
    var repository: RepositoryName?

    /// All names, as they come, each once.
    ///
    /// - Parameters:
    ///   - entry: the name of an entry; an entry is its own name otherwise.
    ///   - refuse: an error for an answer that means something special here; nil for the usual ones.
    ///   - visit: is given each page.
    /// - Throws: `RegistryError`, `.protocolViolation` for a listing that does not end.
    func read(
        from first: WebAddress,
        entry: (JSONValue, _ place: String) throws(OCIError) -> String = { (value, place) throws(OCIError) in
            try value.string(place)
        },
        refuse: (Answer) -> RegistryError?, visit: (JSONValue) throws(OCIError) -> Void = { _ in }
    ) async throws -> [String] {
        var names: [String] = []
        var known: Set<String> = []
        var visited: Set<WebAddress> = []
        var next: WebAddress? = first
        while let address = next {
            guard visited.insert(address).inserted, visited.count <= Pages.limit else { throw endless(visited.count) }
            var request = Request(.list, .GET, address, access: access, what: what)
            request.bodyLimit = Pages.sizeLimit
            let answer = try await registry.answer(request)
            guard answer.status == 200 else {
                throw refuse(answer) ?? registry.refusal(answer, of: what, in: repository)
            }
            let page = try entries(answer, entry, visit)
            let before = known.count
            for name in page where known.insert(name).inserted { names.append(name) }
            next = try LinkHeader.next(in: answer.headers["Link"], from: answer.address)
            if next != nil, !page.isEmpty, known.count == before { throw endless(visited.count) }
        }
        return names
    }

    private func entries(
        _ answer: Answer, _ entry: (JSONValue, _ place: String) throws(OCIError) -> String,
        _ visit: (JSONValue) throws(OCIError) -> Void
    ) throws(RegistryError) -> [String] {
        do throws(OCIError) {
            let json = try JSONValue(parsing: answer.body, in: what)
            try visit(json)
            guard let list = try json.object(what)[member], list != .null else { return [] }
            var entries: [String] = []
            for item in try list.array("\(what): \(member)") { entries.append(try entry(item, "\(what): an entry")) }
            return entries
        } catch {
            if answer.isHTML { throw registry.refusal(answer, of: what, in: repository) }
            throw .protocolViolation("\(registry.name) answers with a list that is none: \(error.description)")
        }
    }

    private func endless(_ count: Int) -> RegistryError {
        .protocolViolation("\(registry.name) answers \(what) with pages that never end, \(count) so far")
    }
}
