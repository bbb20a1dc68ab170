/// The keys of a definition, place by place. The JSON Schema in `pipelines/` has the same ones, which a test holds.
enum DefinitionKeys {
    static let definition = ["version", "name", "inputs", "state", "window", "retries", "stores", "images", "steps"]
    static let store = registry + archive + ["layout"]
    static let archive = ["archive", "keep", "volumeSize", "since", "base"]
    static let registry = ["registry", "credentials", "plainHTTP", "tls", "limits", "timeouts", "retries"]
    static let rule = ["repositories", "except", "tags", "digests", "platforms", "referrers", "list", "kubernetes"]
    static let tags = ["include", "except", "semver", "newest", "by"]
    static let referrers = ["types"]
    static let step = ["name", "export", "import", "verify"]
    static let copy = ["from", "to", "images", "prefix", "rename", "retag", "overwrite", "onError", "force"]
    static let verify = ["store", "against", "deep", "images", "prefix", "rename", "retag", "onError"]
}
