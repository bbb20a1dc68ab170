import OCI

extension Mirrors {
    /// `daemon.json` (docs.docker.com, "dockerd": `registry-mirrors`).
    ///
    /// dockerd knows mirrors of Docker Hub only, and asks them first: there is no steady state to write down.
    func dockerd() -> Rendering {
        var result = Rendering()
        if duringOutage {
            var members = ["registry-mirrors": JSONValue.array([.string(server.address)])]
            if server.isPlain { members["insecure-registries"] = .array([.string(server.name)]) }
            result.files.append(
                NodeFile(place: "/etc/docker/daemon.json", text: JSONValue.object(members).indented + "\n"))
            result.notes.append(
                "keep what your daemon.json has besides; then: systemctl reload docker")
            if let authority {
                result.notes.append(
                    "copy \(shown(authority, limit: 1000)) to /etc/docker/certs.d/\(server.name)/ca.crt")
            }
        } else {
            result.notes.append(
                "dockerd asks mirrors before the registry, so there is nothing to write for the steady state; "
                    + "--during-outage writes what to use then")
        }
        result.notes.append("dockerd knows mirrors of Docker Hub (docker.io) only")
        for registry in registries where registry.name != "docker.io" {
            result.notes.append(
                "images of \(registry.name) are pulled by another name: docker pull "
                    + "\(server.name)/\(registry.pathPart)/REPOSITORY:TAG, then docker tag it as "
                    + "\(registry.name)/REPOSITORY:TAG")
        }
        return result
    }
}
