import OCI

/// What stands beside a backup set for whoever comes to it in an outage: where things are, the newest good backup, and
/// the commands, filled in.
public struct RescueNote: Sendable, Hashable {
    /// The file's name in the set.
    public static let fileName = "RESCUE.md"

    /// A backup, as far as the note says something of it.
    public struct Backup: Sendable, Hashable {
        public var id: Digest
        public var time: Moment
        public var images: Int
        public var bytes: Int64
        /// What the images came from.
        public var source: String

        public init(id: Digest, time: Moment, images: Int, bytes: Int64, source: String) {
            self.id = id
            self.time = time
            self.images = images
            self.bytes = bytes
            self.source = source
        }
    }

    /// Where the set is, absolute.
    public var set: String
    /// The newest backup that is complete, with a listing that was believed; nil if there is none.
    public var newest: Backup?
    /// The registries that its images come from.
    public var registries: [String]
    /// The newest good backups of other pipelines and sources that share the set.
    public var others: [Backup] = []

    public init(set: String, newest: Backup?, registries: [String]) {
        self.set = set
        self.newest = newest
        self.registries = registries
    }

    /// The note, in Markdown.
    public var text: String {
        let path = RescueNote.word(set)
        var lines = ["# How to get the images back", ""]
        func words(_ backup: Backup) -> String {
            "**\(backup.time)**, \(Figures.count(backup.images, "image")), \(Figures.bytes(backup.bytes)), "
                + "from \(shown(backup.source, limit: 300)) (id \(backup.id.hex.prefix(12)))"
        }
        if let newest {
            lines += ["Newest good backup: \(words(newest))."]
            if !others.isEmpty {
                lines += ["", "The set has others beside it; `--backup ID` serves or restores one of these:", ""]
                lines += others.map { "- \(words($0))" } + [""]
            }
        } else {
            lines += ["There is **no good backup** here yet: `lifeboat backups list \(path)` says what there is."]
        }
        lines += [
            "This set is at `\(path)`.", "",
            "## Now: serve the images from here", "",
            "    lifeboat serve \(path) --listen 0.0.0.0:5000", "",
            "It answers within seconds and unpacks nothing. With TLS: `--tls DIR` (made beforehand by "
                + "`lifeboat serve init DIR --host NAME`). With `--overlay hotfixes/` it takes pushes too.", "",
            "Tell the nodes (NAME is this machine as they call it):", "",
        ]
        let flags =
            registries.isEmpty
            ? " --registry REGISTRY" : registries.map { " --registry \(RescueNote.word($0))" }.joined()
        for node in ["containerd", "k3s", "podman"] {
            lines.append(
                "    lifeboat mirrors --for \(node) --server http://NAME:5000 --during-outage\(flags) --out node/")
        }
        lines += [
            "", "## Meanwhile: restore into a registry", "",
            "    lifeboat restore \(path) --to NEW-REGISTRY",
            "    lifeboat verify NEW-REGISTRY --against \(path)", "",
            "It may be stopped and run again: what is there is not sent again.", "",
            "## Without lifeboat", "",
            "The folder is an OCI image layout of the newest backup: `skopeo copy oci:\(path):REPOSITORY:TAG …`.", "",
            "## Afterwards", "",
            "    lifeboat verify REGISTRY --against \(path)     # what did the registry that came back lose?",
            "    lifeboat import hotfixes/ --to REGISTRY        # what was pushed meanwhile",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    /// A word for a shell, quoted where it has to be.
    private static func word(_ text: String) -> String {
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:@")
        let safe = shown(text, limit: 4000)
        if !safe.isEmpty, safe.allSatisfy(plain.contains) { return safe }
        return "'" + safe.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
    }
}
