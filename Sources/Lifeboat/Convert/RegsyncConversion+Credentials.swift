import OCI
import Yams

extension RegsyncConversion {
    /// What a registry needs goes to every store at that host. Secrets in clear text are not carried over.
    func credentials(_ node: Node, key: String, _ draft: inout DefinitionDraft) {
        var members = reader.members(node, key: key)
        let name = members.text("registry")
        var options: [(key: String, value: String)] = []
        let user = members.take("user")
        let password = members.take("pass")
        if let user, let password {
            if let userName = reference(user), let secret = reference(password), !isPlain(password) {
                options.append(("credentials", "{username: \(userName), \(secretMember(password, secret))}"))
            } else {
                reader.note(
                    "a password in clear text is not carried over; docker login, or credentials: {username: …, "
                        + "passwordFile: …}", at: password, key: key + ".pass")
            }
        } else if let half = user ?? password {
            reader.note("want both user and pass: not carried over", at: half, key: key)
        }
        if let helper = members.take("credHelper") {
            reader.note(
                "not carried over: credHelpers of docker's configuration are used, or credentials: {command: […]}",
                at: helper, key: key + ".credHelper")
        }
        if let tls = members.take("tls") {
            switch tls.string {
            case "disabled": options.append(("plainHTTP", "true"))
            case "insecure": options.append(("tls", "{verify: false}"))
            case "enabled": break
            default: reader.note("not known: not carried over", at: tls, key: key + ".tls")
            }
        }
        var limits: [String] = []
        if let concurrent = members.text("reqConcurrent"), let number = Int(concurrent), number > 0 {
            limits.append("connections: \(number)")
        }
        if let rate = members.text("reqPerSec"), let number = Double(rate), number >= 1 {
            limits.append("requests: \(Int(number))/s")
        }
        if !limits.isEmpty { options.append(("limits", "{" + limits.joined(separator: ", ") + "}")) }
        members.drop([
            ("hostname", "a registry is reached under its own name: not carried over"),
            ("regcert", "write it to a file, and name that in tls: {ca: …}: not carried over"),
            ("clientCert", "write it to a file, and name that in tls: {cert: …, key: …}: not carried over"),
            ("clientKey", "write it to a file, and name that in tls: {cert: …, key: …}: not carried over"),
            ("pathPrefix", "HOST/PREFIX as the registry of the store does this: not carried over"),
            ("mirrors", "mirrors: [HOST] of a store does this: not carried over"),
            ("priority", "the mirrors of a store are asked in their order: not carried over"),
            ("repoAuth", "tokens are asked for by repository where a registry wants that"),
            ("blobChunk", "blobs are sent in one request, in pieces where a registry wants that"),
            ("blobMax", "blobs are sent in one request, in pieces where a registry wants that"),
            ("credExpire", "a refused token is renewed at once"), ("apiOpts", "not known here: not carried over"),
            ("scheme", "plainHTTP: true of a store does this: not carried over"),
        ])
        members.end()
        guard let name else { return }
        let host = name == "index.docker.io" ? "docker.io" : name
        var isUsed = false
        for (_, store) in draft.stores where store.kind == "registry" {
            let place = store.place.split(separator: "/").first.map(String.init) ?? ""
            if Reference.canonical(registry: place) == Reference.canonical(registry: host) {
                draft.options[store, default: []] += options
                isUsed = true
            }
        }
        if !isUsed {
            reader.note(
                "nothing that was carried over uses \(shown(host, limit: 255)): not carried over", at: node, key: key)
        }
    }

    private func isPlain(_ node: Node) -> Bool { !(node.string ?? "").contains("{{") }

    private func secretMember(_ node: Node, _ value: String) -> String {
        (node.string ?? "").contains("file") ? "passwordFile: \(value)" : "password: \(value)"
    }

    /// `{{env "NAME"}}` becomes `$NAME`, `{{file "path"}}` the path; a text without a template stays what it is.
    private func reference(_ node: Node) -> String? {
        guard let text = node.string else { return nil }
        guard text.contains("{{") else { return DefinitionDraft.scalar(text) }
        let words = text.split { $0 == " " || $0 == "{" || $0 == "}" || $0 == "\"" }.map(String.init)
        guard words.count == 2 else { return nil }
        switch words[0] {
        case "env": return "$" + words[1]
        case "file": return DefinitionDraft.scalar(words[1])
        default: return nil
        }
    }
}
