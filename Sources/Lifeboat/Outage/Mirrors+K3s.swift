import OCI

extension Mirrors {
    /// `registries.yaml` (docs.k3s.io, "Private Registry Configuration"), from which k3s makes containerd's files.
    ///
    /// The registry itself is always asked last, whatever is listed.
    func k3s() throws(LifeboatError) -> Rendering {
        if !duringOutage { try wantRegistries() }
        var lines = [heading, "mirrors:"]
        for registry in registries.isEmpty ? [nil] : registries.map(Optional.some) {
            lines.append("  \(quoted(registry?.name ?? "*")):")
            lines.append("    endpoint:")
            if let registry, !duringOutage { lines.append("      - \(quoted(registry.address))") }
            lines.append("      - \(quoted(server.address))")
        }
        if let authority {
            lines += ["configs:", "  \(quoted(server.name)):", "    tls:", "      ca_file: \(quoted(authority))"]
        }
        return Rendering(
            files: [NodeFile(place: "/etc/rancher/k3s/registries.yaml", text: lines.joined(separator: "\n") + "\n")],
            notes: [
                "k3s reads the file when it starts: systemctl restart k3s (or k3s-agent); containers go on running",
                "k3s has no word for how long a registry is waited for: one that does not answer at all costs each "
                    + "pull up to 30 s in the steady state",
            ])
    }
}
