import OCI

extension Mirrors {
    /// `hosts.toml` of each registry (containerd's docs/hosts.md; containerd 1.5 and later).
    ///
    /// Hosts are asked in the order of the file, the `server` last; so the registry is listed as a host too where it
    /// comes first. A request says in `?ns=` which registry is meant.
    func containerd() throws(LifeboatError) -> Rendering {
        var result = Rendering()
        if registries.isEmpty {
            guard duringOutage else { return try failing() }
            result.files.append(file("_default", [heading, ""] + backup))
        }
        for registry in registries {
            var lines = [heading, "server = \(quoted(registry.address))", "dial_timeout = \"\(Mirrors.patience)\"", ""]
            if !duringOutage {
                lines += [
                    "[host.\(quoted(registry.address))]", "  capabilities = [\"pull\", \"resolve\", \"push\"]",
                    "  dial_timeout = \"\(Mirrors.patience)\"", "",
                ]
            }
            result.files.append(file(registry.name, lines + backup))
        }
        result.notes = [
            "containerd reads the files at each pull, once its config.toml names the folder: "
                + "[plugins.\"io.containerd.grpc.v1.cri\".registry] (containerd 2: "
                + "[plugins.\"io.containerd.cri.v1.images\".registry]) config_path = \"/etc/containerd/certs.d\"",
            "dial_timeout is known to containerd 2.1 and later; older ones pass over it, and wait 30 s for a registry "
                + "that does not answer at all",
        ]
        return result
    }

    private func failing() throws(LifeboatError) -> Rendering {
        try wantRegistries()
        return Rendering()
    }

    private var backup: [String] {
        var lines = ["[host.\(quoted(server.address))]", "  capabilities = [\"pull\", \"resolve\"]"]
        if let authority { lines.append("  ca = \(quoted(authority))") }
        return lines
    }

    private func file(_ name: String, _ lines: [String]) -> NodeFile {
        NodeFile(
            place: "/etc/containerd/certs.d/\(name)/hosts.toml", text: lines.joined(separator: "\n") + "\n")
    }
}

extension Mirrors {
    /// A basic string of TOML 1.0; JSON's and YAML's double-quoted strings read it the same.
    func quoted(_ text: String) -> String {
        "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
}
