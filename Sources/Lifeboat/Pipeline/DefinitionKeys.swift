/// The keys of a definition, place by place. The JSON Schema in `pipelines/` has the same ones, which a test holds.
enum DefinitionKeys {
    static let definition = [
        "version", "name", "inputs", "state", "window", "retries", "schedule", "notify", "objectives", "stores",
        "images",
        "steps",
    ]
    static let schedule = ["cron", "timezone", "jitter", "catchUp"]
    static let notify = ["onFailure", "onSuccess", "onRecovery"]
    static let notice = ["webhook", "secret", "command", "ping"]
    static let objectives = ["rpo", "rto"]
    static let store = registry + archive + layout + backups.filter { $0 != "keep" }
    static let registry = [
        "registry", "credentials", "plainHTTP", "tls", "mirrors", "listing", "limits", "timeouts", "retries",
        "createRepositories",
    ]
    static let retention = Retention.Rule.allCases.map(\.rawValue) + ["within"]
    static let archive = ["archive", "keep", "volumeSize", "since", "base"]
    static let layout = ["layout"]
    static let backups = ["backups", "at", "keep", "shrink"]
    static let creation = ["command"]
    static let input = ["description", "default"]
    static let window = ["from", "to", "timezone"]
    static let tls = ["ca", "cert", "key", "verify"]
    static let limits = ["connections", "requests", "bandwidth"]
    static let timeouts = ["connect", "answer", "idle"]
    static let credentials = ["username", "password", "passwordFile", "command"]
    static let renaming = ["from", "into"]
    static let retagging = renaming + ["digest", "tag"]
    static let rule = ["repositories", "except", "tags", "digests", "platforms", "referrers", "list", "kubernetes"]
    static let tags = ["include", "except", "semver", "newest", "by"]
    static let referrers = ["types", "rescan"]
    static let verbs = ["export", "import", "verify", "drill"]
    static let step = ["name"] + verbs
    static let copy = ["from", "to", "images", "prefix", "rename", "retag", "overwrite", "onError", "force"]
    static let verify = ["store", "against", "deep", "images", "prefix", "rename", "retag", "onError"]
    static let drill = ["store", "sample", "onError"]
}
