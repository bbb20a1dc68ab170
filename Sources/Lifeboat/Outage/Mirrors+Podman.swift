import OCI

extension Mirrors {
    /// A drop-in of registries.conf, version 2 (containers-registries.conf(5)), for podman, buildah, skopeo and CRI-O.
    ///
    /// Mirrors are asked in order, the registry itself last; so it is listed as a mirror of itself where it comes
    /// first. They do not say which registry is meant: the path does.
    func podman() throws(LifeboatError) -> Rendering {
        try wantRegistries()
        var lines = [heading]
        for registry in registries {
            lines += [
                "", "[[registry]]", "prefix = \(quoted(registry.name))", "location = \(quoted(registry.name))",
            ]
            if registry.isPlain { lines.append("insecure = true") }
            if !duringOutage {
                lines += ["", "[[registry.mirror]]", "location = \(quoted(registry.name))"]
                if registry.isPlain { lines.append("insecure = true") }
            }
            lines += [
                "", "[[registry.mirror]]", "location = \(quoted(server.name + "/" + registry.pathPart))",
                "pull-from-mirror = \"all\"",
            ]
            if server.isPlain { lines.append("insecure = true") }
        }
        var result = Rendering(
            files: [
                NodeFile(
                    place: "/etc/containers/registries.conf.d/lifeboat.conf",
                    text: lines.joined(separator: "\n") + "\n")
            ],
            notes: [
                "podman has no word for how long a registry is waited for: one that does not answer at all costs each "
                    + "pull some time in the steady state",
                "pull-from-mirror is known to podman 4.2 and later",
            ])
        if let authority {
            result.notes.append(
                "podman looks for the authority's certificate in its own folder: copy \(shown(authority, limit: 1000)) "
                    + "to /etc/containers/certs.d/\(server.name)/ca.crt")
        }
        return result
    }
}
