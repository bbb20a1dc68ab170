import OCI
import Testing

@testable import Lifeboat

/// What stands beside a set for whoever comes to it in an outage.
struct RescueNoteTests {
    private let backup = RescueNote.Backup(
        id: Digest(of: [1]), time: Moment(1_700_000_000), images: 42, bytes: 1_234_000_000,
        source: "registry.example.com")

    @Test func `the commands are filled in`() {
        let text = RescueNote(
            set: "/srv/nightly", newest: backup, registries: ["registry.example.com", "docker.io"]
        ).text
        for line in [
            "Newest good backup: **2023-11-14T22:13:20Z**, 42 images, 1.23 GB, from registry.example.com (id \(Digest(of: [1]).hex.prefix(12))).",
            "    lifeboat serve /srv/nightly --listen 0.0.0.0:5000",
            "    lifeboat mirrors --for containerd --server http://NAME:5000 --during-outage --registry registry.example.com --registry docker.io --out node/",
            "    lifeboat restore /srv/nightly --to NEW-REGISTRY",
            "    lifeboat verify NEW-REGISTRY --against /srv/nightly",
        ] {
            #expect(text.contains(line + "\n"), "\(line)")
        }
    }

    @Test func `a path is one word of a shell, whatever it is called`() {
        let text = RescueNote(set: "/srv/it's $(x)", newest: backup, registries: []).text
        #expect(text.contains(#"lifeboat restore '/srv/it'\''s $(x)' --to"#))
        #expect(text.contains("--during-outage --registry REGISTRY --out"))
    }

    @Test func `a set without a good backup says so first`() {
        let text = RescueNote(set: "/srv/nightly", newest: nil, registries: []).text
        #expect(text.contains("There is **no good backup** here yet"))
    }
}
