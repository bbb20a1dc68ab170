/// A program on nodes that pulls images, and that can be told of a second place to pull them from.
public enum NodeKind: String, Sendable, Hashable, CaseIterable {
    case containerd, k3s, podman, dockerd
}

/// A registry as nodes reach it.
public struct NodeRegistry: Sendable, Hashable {
    /// As it stands in the names of images, such as `registry.example.com:5000`.
    public let name: String
    /// Whether nodes speak HTTP without TLS to it.
    public let isPlain: Bool

    public init(name: String, isPlain: Bool = false) {
        self.name = name
        self.isPlain = isPlain
    }

    /// Where it is asked: Docker Hub is not where its images are called to be.
    var host: String { name == "docker.io" ? "registry-1.docker.io" : name }
    var address: String { (isPlain ? "http://" : "https://") + host }
    /// Its name as the first part of a repository's path, as the backup's server reads it.
    var pathPart: String { String(name.map { $0 == ":" ? "_" : $0 }).lowercased() }
}

/// A file for a node.
public struct NodeFile: Sendable, Hashable {
    /// Where it belongs on the node.
    public let place: String
    public let text: String

    /// The place under a folder that stands for the node's root.
    public var relativePath: String { String(place.drop { $0 == "/" }) }
}
