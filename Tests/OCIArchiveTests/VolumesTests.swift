import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// Archives in several files.
@Suite struct VolumesTests {
    private let files = MemoryFiles()
    private var opening: ArchiveOpening { ArchiveOpening(fileSystem: files) }
    private static let volumeSize: Int64 = 100_000

    /// Six images in three volumes, `a.1-of-3.tar` and so on.
    private func volumes(_ name: String = "a.tar", seed: UInt64? = nil) async throws -> ArchiveImages {
        let images = try await ArchiveImages.several(layerSize: 60_000)
        try await images.export(
            to: try VolumesTarget(path: name, volumeSize: Self.volumeSize, fileSystem: files),
            concurrency: seed == nil ? 1 : 6, seed: seed)
        return images
    }

    private func linked(_ path: String) async throws -> any LinkedArchive {
        try #require(try await openArchive(path, opening) as? any LinkedArchive)
    }

    /// Names of the images that can be read as a whole.
    private func complete(_ images: ArchiveImages, in archive: any LinkedArchive) async throws -> [String] {
        var names: [String] = []
        for planned in images.planned.sorted(by: { $0.image.precedes($1.image) }) {
            let source = try await archive.source(planned.image.repository)
            do {
                for manifest in planned.graph.manifests { _ = try await source.manifest(manifest) }
                for blob in planned.graph.blobs { try await source.read(blob) { try await $0.verify() } }
                #expect(archive.lack(of: planned.image) == nil)
                names.append(planned.image.name)
            } catch let error as ArchiveError where error.kind == .notFound {
                #expect(archive.lack(of: planned.image) != nil)
            }
        }
        return names
    }

    private static let all = [
        "other/tool:stable", "team/app:1", "team/app:2", "team/long:1", "team/multi:latest", "team/signed:1",
    ]

    @Test(arguments: ["a.tar", "a.tar.gz", "a.tar.zst", "a.tar.xz"])
    func `volumes are whole archives of at most their size, and the same bytes every time`(
        _ name: String
    ) async throws {
        let images = try await volumes(name)
        let names = files.names
        #expect(names.count > 1)
        let first = names.map { files[$0] }
        for (number, file) in zip(1..., names) {
            #expect(file == VolumeName(of: name, number: number, count: names.count).path)
            #expect(Int64(files[file]?.count ?? 0) <= Self.volumeSize)
            let report = try await ArchiveVerification(path: file, opening: opening).run()
            #expect(report.findings == [])
            #expect(report.isSealed)
            #expect(report.lineage.volume?.number == number)
        }
        for file in names { files[file] = nil }
        _ = try await volumes(name, seed: 9)
        #expect(names.map { files[$0] } == first)
        guard name == "a.tar" else { return }
        #expect(names == ["a.1-of-2.tar", "a.2-of-2.tar"])
        #expect(try await complete(images, in: try await linked(names[0])) == Self.all)
    }

    @Test func `any volume, a pattern and the undivided name stand for all of them`() async throws {
        let images = try await volumes()
        let whole = try #require(try await linked("a.1-of-2.tar").lineage.volume?.whole)
        try await images.export(to: try ArchiveTarget(path: "whole.tar", fileSystem: files))
        #expect(try await (openArchive("whole.tar", opening) as? ArchiveSource)?.id == whole)
        for path in ["a.2-of-2.tar", "a.*.tar", "a.?-of-2.tar", "a.tar"] {
            let archive = try await linked(path)
            #expect(archive.id == whole)
            #expect(archive.faults.isEmpty)
            #expect(try await complete(images, in: archive) == Self.all)
        }
        await #expect { try await openArchive("*.tar", opening) } throws: { "\($0)".contains("several archives") }
    }

    /// What may happen to volume 2 of 2 on its way, and what is said.
    enum Mishap: String, CaseIterable, Sendable {
        case missing, empty, shorter, longer, flipped, duplicated, foreign, others

        var words: String {
            switch self {
            case .missing: "a.2-of-2.tar is missing"
            case .empty: "a.2-of-2.tar is empty"
            case .shorter: "a.2-of-2.tar is cut off"
            case .longer: "a.2-of-2.tar has 512 bytes behind its end"
            case .flipped: "lifeboat/contents of a.2-of-2.tar"
            case .duplicated: "a.2-of-2.tar holds volume 1, not 2"
            case .foreign: "a.2-of-2.tar is not a tar archive"
            case .others: "a.2-of-2.tar belongs to another export"
            }
        }
    }

    @Test(arguments: Mishap.allCases)
    func `a volume with which something is wrong is named, and what is complete without it can be had`(
        _ mishap: Mishap
    ) async throws {
        let images = try await volumes()
        var bytes = try #require(files["a.2-of-2.tar"])
        switch mishap {
        case .missing: files["a.2-of-2.tar"] = nil
        case .empty: files["a.2-of-2.tar"] = []
        case .shorter: files["a.2-of-2.tar"] = bytes.dropLast(512)
        case .longer: files["a.2-of-2.tar"] = bytes + [UInt8](repeating: 0, count: 512)
        case .flipped:
            let place = try #require(bytes.indices.first { bytes[$0...].starts(with: "\"record\":\"blob\"".utf8) })
            bytes[place + 3] ^= 1
            files["a.2-of-2.tar"] = bytes
        case .duplicated: files["a.2-of-2.tar"] = files["a.1-of-2.tar"]
        case .foreign: files["a.2-of-2.tar"] = Array(SeededBytes.buffer(5000, seed: 3).readableBytesView)
        case .others:
            var other = images
            try await other.add("team/more:1", seed: 70, layerSizes: [20_000])
            try await other.export(
                to: try VolumesTarget(path: "b.tar", volumeSize: Self.volumeSize, fileSystem: files))
            files["a.2-of-2.tar"] = files["b.2-of-2.tar"]
        }
        let archive = try await linked("a.1-of-2.tar")
        #expect(archive.faults.count == 1)
        #expect(archive.faults.allSatisfy { $0.description.contains(mishap.words) }, "\(archive.faults)")
        let complete = try await complete(images, in: archive)
        let contents = archive.parts.contents
        let expected = zip(contents.images, contents.needs).filter { $0.1.volumes == [1] }.map(\.0.name)
        #expect(complete == expected)
        #expect(!expected.isEmpty && expected.count < Self.all.count)
        let lack = try #require(archive.lack(of: images.images.last ?? images.images[0]))
        #expect(lack.description.hasPrefix("the image needs volume 2 of 2: "))
        let (paths, faults) = try await VolumeSearch(files).files(of: "a.tar", opening)
        #expect(paths.contains("a.1-of-2.tar"))
        var findings = faults.map(\.description)
        for path in paths where files[path] != [] {
            findings += try await ArchiveVerification(path: path, opening: opening).run().findings.map(\.detail)
        }
        #expect(mishap == .empty || !findings.isEmpty)
    }

    @Test func `volumes with each other's names, and one that was renamed, are found by what they hold`() async throws {
        let images = try await volumes()
        let (one, two) = (files["a.1-of-2.tar"], files["a.2-of-2.tar"])
        files["a.1-of-2.tar"] = two
        files["a.2-of-2.tar"] = one
        let swapped = try await linked("a.tar")
        #expect(swapped.faults.isEmpty)
        #expect(
            swapped.notes == [
                "volume 2 of 2 is called a.1-of-2.tar", "volume 1 of 2 is called a.2-of-2.tar",
            ])
        #expect(try await complete(images, in: swapped) == Self.all)
        files["a.1-of-2.tar"] = one
        files["a.2-of-2.tar"] = nil
        files["copy of volume 2.tar"] = two
        let renamed = try await linked("a.1-of-2.tar")
        #expect(renamed.notes == ["volume 2 of 2 is called copy of volume 2.tar"])
        #expect(try await complete(images, in: renamed) == Self.all)
    }

    @Test func `a blob larger than a volume is named before anything is written`() async throws {
        let images = try await ArchiveImages.one(layerSizes: [200_000])
        await #expect {
            try await images.export(to: try VolumesTarget(path: "a.tar", volumeSize: 50_000, fileSystem: files))
        } throws: {
            let failure = $0 as? any Failure
            return failure?.kind == .usage && failure?.description.contains("registry.example.com/app:1") == true
                && failure?.description.contains("has 200000 bytes") == true
                && failure?.advice?.hasPrefix("volumes of at least 20") == true
        }
        #expect(files.names == [])
        try await images.export(to: try VolumesTarget(path: "a.tar", volumeSize: 210_000, fileSystem: files))
        #expect(files.names == ["a.1-of-1.tar"])
    }

    @Test func `another number of volumes is a conflict, or replaces them`() async throws {
        let images = try await volumes()
        await #expect {
            try await images.export(to: try VolumesTarget(path: "a.tar", volumeSize: 1_000_000, fileSystem: files))
        } throws: { ($0 as? any Failure)?.kind == .conflict && "\($0)".contains("a.1-of-2.tar exists") }
        try await images.export(
            to: try VolumesTarget(path: "a.tar", volumeSize: 1_000_000, fileSystem: files, replace: true))
        #expect(files.names == ["a.1-of-1.tar"])
    }

    @Test func `volumes that are there already are verified and kept`() async throws {
        let images = try await volumes()
        let target = try VolumesTarget(path: "a.tar", volumeSize: Self.volumeSize, fileSystem: files)
        #expect(try await images.begin(target) == [])
        _ = try await target.commit()
        #expect(files.names == ["a.1-of-2.tar", "a.2-of-2.tar"])
    }

    @Test func `a delta in volumes`() async throws {
        var before = ArchiveImages()
        try await before.add("app:1", seed: 90, layerSizes: [700, 1300])
        try await before.export(to: try ArchiveTarget(path: "full.tar", fileSystem: files))
        var after = try await ArchiveImages.several(layerSize: 60_000)
        try await after.add("app:1", seed: 90, layerSizes: [700, 1300])
        let base = try await BaseContents.read("full.tar", opening)
        try await after.export(
            to: try VolumesTarget(path: "d.tar", volumeSize: Self.volumeSize, fileSystem: files, since: base))
        for name in files.names {
            #expect(try await ArchiveVerification(path: name, opening: opening).run().findings == [])
        }
        let delta = try await linked("d.tar")
        #expect(delta.lineage.base?.name == "full.tar")
        #expect(try await complete(after, in: delta) == Self.all)
        let whole = try await delta.building(on: [try await openArchive("full.tar", opening)])
        #expect(try await complete(after, in: whole) == ["app:1"] + Self.all)
    }
}
