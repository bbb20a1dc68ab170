import OCI
import Yams

/// Reads a regsync file (regclient): credentials, defaults, and a list of things to sync.
struct RegsyncConversion {
    let reader: ForeignReader

    private static let scheduling =
        "not carried over: a definition has one schedule for all of its steps, schedule: {cron: \"…\"}, which lifeboat "
        + "schedule keeps"

    func draft(_ root: Node) -> DefinitionDraft {
        var draft = DefinitionDraft()
        draft.name = "regsync"
        var members = reader.members(root, key: "")
        if let version = members.take("version"), version.string != "1" {
            reader.note("is not 1: read as if it were", at: version, key: "version")
        }
        let defaults = members.take("defaults").map { reader.members($0, key: "defaults") }
        let credentials = members.take("creds")
        let sync = members.take("sync").map { reader.items($0, key: "sync") } ?? []
        if let node = members.take("hooks") {
            reader.note("no hooks: what calls lifeboat can act on its exit code and report", at: node, key: "hooks")
        }
        members.end()
        let platforms = drop(defaults)
        for (number, node) in sync.enumerated() {
            entry(node, key: "sync[\(number)]", defaultPlatforms: platforms, &draft)
        }
        if let credentials {
            for (number, node) in reader.items(credentials, key: "creds").enumerated() {
                self.credentials(node, key: "creds[\(number)]", &draft)
            }
        }
        return draft
    }

    /// What stands for all entries; only the platform has a place here.
    private func drop(_ defaults: ForeignMembers?) -> [String] {
        guard var defaults else { return [] }
        let platforms = take(platformsFrom: &defaults)
        dropCommon(&defaults)
        defaults.drop([
            ("parallel", "limits: {connections: …} of a store bounds what runs at once"),
            ("cacheCount", "nothing is cached between runs but what the targets hold"),
            ("cacheTime", "nothing is cached between runs but what the targets hold"),
            ("skipDockerConfig", "credentials: anonymous of a store does this"),
            ("userAgent", "the name that requests carry is lifeboat's"),
            ("blobLimit", "no bound on the size of a blob"),
        ])
        defaults.end()
        return platforms
    }

    private func dropCommon(_ members: inout ForeignMembers) {
        members.drop([
            ("schedule", RegsyncConversion.scheduling), ("interval", RegsyncConversion.scheduling),
            ("ratelimit", "limits: {requests: …} of a store, and answers of 429 are waited for as long as they ask"),
            ("backup", "an export step before this one keeps what the target holds"),
            ("mediaTypes", "all media types are moved"),
            ("hooks", "no hooks: what calls lifeboat can act on its exit code and report"),
            ("referrerSlow", "referrers are read from the API and from the tag that stands in for it"),
            ("fastCopy", "what is there is always looked up by digest"),
            ("fastCheck", "what is there is always looked up by digest"),
            ("forceRecursive", "verify with deep: true reads all of it again"),
            ("includeExternal", "foreign layers are recorded, not moved"),
            ("digestTags", "the signature tags of cosign come along, other tags by digest only if tags names them"),
        ])
        if let node = members.take("referrers"), node.string != "true" {
            reader.note(
                "referrers come along unless referrers: false stands at the rule", at: node,
                key: members.path("referrers"))
        }
    }

    private func take(platformsFrom members: inout ForeignMembers) -> [String] {
        var platforms: [String] = []
        for name in ["platform", "platforms"] {
            guard let node = members.take(name) else { continue }
            for (text, item) in reader.texts(node, key: members.path(name)) {
                do {
                    platforms.append(try Platform(parsing: text).description)
                } catch {
                    reader.note(
                        "'\(shown(text, limit: 80))' is not a platform: not carried over", at: item,
                        key: members.path(name))
                }
            }
        }
        return platforms
    }

    // MARK: Entries

    private func entry(_ node: Node, key: String, defaultPlatforms: [String], _ draft: inout DefinitionDraft) {
        var members = reader.members(node, key: key)
        let source = members.text("source")
        let target = members.text("target")
        let type = members.text("type")
        var rule = DefinitionDraft.Rule()
        rule.platforms = take(platformsFrom: &members)
        if rule.platforms.isEmpty { rule.platforms = defaultPlatforms }
        let tags = members.take("tags")
        let repositories = members.take("repos")
        if let filters = members.take("referrerFilters") {
            rule.artifactTypes = types(filters, key: key + ".referrerFilters")
        }
        members.drop([
            ("referrerSource", "referrers are read from the image's own repository"),
            ("referrerTarget", "referrers go to the image's own repository"),
            ("tagSets", "write the sets as several rules"),
        ])
        dropCommon(&members)
        members.end()

        func leaveOut(_ reason: String) { reader.note(reason + ": the entry is left out", at: node, key: key) }
        guard let source, let target, let type else { return leaveOut("want source, target and type") }
        guard let expanded = expand(target, source: source) else {
            return leaveOut("the template in the target '\(shown(target, limit: 200))' is not evaluated here")
        }
        guard !source.contains("{{") else { return leaveOut("the source is a template") }
        guard let from = place(source, isRegistry: type == "registry"),
            let to = place(expanded, isRegistry: type == "registry")
        else { return leaveOut("'\(shown(source, limit: 200))' or '\(shown(expanded, limit: 200))' is not an image") }

        var step = DefinitionDraft.Step(
            name: "", verb: to.store.kind == "registry" ? "import" : "export", from: "", to: "", rules: [])
        switch type {
        case "registry":
            filter(repositories, key: key + ".repos", wildcard: "**", into: &rule.repositories, except: &rule.except)
            if rule.repositories.isEmpty { rule.repositories = ["**"] }
        case "repository", "image":
            rule.repositories = [from.repository]
            if let repositories {
                reader.note("goes with type registry: not carried over", at: repositories, key: key + ".repos")
            }
            if !(name(from.repository, to: to.repository, &step)) {
                return leaveOut("a folder keeps the names of its repositories")
            }
        default: return leaveOut("type '\(shown(type, limit: 80))' is not known")
        }
        if type == "image" {
            if let tags {
                reader.note("goes with type repository or registry: not carried over", at: tags, key: key + ".tags")
            }
            image(from, to, &rule, &step)
        } else if let tags {
            readTags(tags, key: key + ".tags", into: &rule)
        }
        step.from = draft.declare(from.store)
        step.to = draft.declare(to.store)
        step.rules = [rule]
        step.name = stepName(from, type: type)
        step.comment = "line \(node.mark?.line ?? 1)"
        draft.add(step)
    }

    private func stepName(_ from: Place, type: String) -> String {
        type == "registry" ? "all-of-" + from.store.place : from.repository + (from.tag.map { ":" + $0 } ?? "")
    }

    /// What maps one repository name to another; false where nothing does.
    private func name(_ from: String, to: String, _ step: inout DefinitionDraft.Step) -> Bool {
        if from == to { return true }
        guard step.verb == "import" else { return false }
        if to.hasSuffix("/" + from) {
            step.prefix = String(to.dropLast(from.count + 1))
        } else {
            step.rename = [pair(from, to)]
        }
        return true
    }

    private func pair(_ from: String, _ into: String) -> String {
        "{from: \(DefinitionDraft.scalar(GoExpression.escaped(from))), into: \(DefinitionDraft.scalar(into))}"
    }

    private func image(
        _ from: Place, _ to: Place, _ rule: inout DefinitionDraft.Rule, _ step: inout DefinitionDraft.Step
    ) {
        if let digest = from.digest {
            rule.digests = [digest]
            if let tag = to.tag { step.retag = ["{digest: \"\(digest)\", tag: \(DefinitionDraft.scalar(tag))}"] }
        } else {
            let tag = from.tag ?? "latest"
            rule.tags = [tag]
            if let other = to.tag, other != tag { step.retag = [pair(tag, other)] }
        }
    }
}
