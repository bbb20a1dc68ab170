import NIOCore
import OCI

/// Checks an archive that others wrote: it has no seal, but its blobs have digests.
struct ForeignVerification {
    let file: any File
    let head: ByteBuffer
    let opening: ArchiveOpening
    let observe: @Sendable (Int) -> Void

    func run(into report: inout ArchiveReport) async throws {
        guard report.format != .plain else { return try await verify(file, into: &report) }
        let copy = try await opening.fileSystem.open(opening.workFolder + "/archive", .temporary)
        let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: opening.limits)
        var offset: Int64 = 0
        while let chunk = try await stream.next() {
            try await copy.write(chunk, at: offset)
            offset += Int64(chunk.readableBytes)
        }
        try await verify(copy, into: &report)
        try await copy.close()
    }

    private func verify(_ file: any File, into report: inout ArchiveReport) async throws {
        let listing = try ArchiveListing(
            try await TarReader.entries(of: file, archive: report.path), archive: report.path)
        report.flavor = listing.flavor
        report.notes.append("not sealed: it was not written by Lifeboat")
        let anyName = try opening.defaultRepository ?? RepositoryName("unnamed")
        let catalog: any ImageCatalog
        switch listing.flavor {
        case .oci, .ours:
            let source = try await ForeignArchive(listing: listing, file: file).open(defaultRepository: anyName)
            report.notes += source.notes
            catalog = source
        case .docker:
            guard let docker = opening.docker else {
                throw ArchiveError.policy("\(report.path) is a docker-archive, which is not read here")
            }
            catalog = try await docker(listing, file, anyName)
        case nil:
            throw ArchiveError.damaged(
                "\(report.path) is a tar without images: it has neither oci-layout nor manifest.json")
        }
        try await verify(catalog, into: &report)
    }

    private func verify(_ catalog: any ImageCatalog, into report: inout ArchiveReport) async throws {
        var seen: Set<Digest> = []
        let images = try await catalog.images()
        report.imageCount = images.count
        for image in images {
            do {
                let source = try await catalog.source(image.repository)
                let graph = try await ImageGraph.read(image.descriptor, from: source)
                for manifest in graph.manifests where seen.insert(manifest.digest).inserted {
                    report.blobCount += 1
                    report.byteCount += manifest.size
                }
                for blob in graph.blobs where seen.insert(blob.digest).inserted {
                    report.blobCount += 1
                    report.byteCount += blob.size
                    let observe = observe
                    do {
                        try await source.read(blob) { try await $0.observed(observe).verify() }
                    } catch let failure as any Failure
                        where ArchiveReport.isFinding(failure) || failure.kind == .notFound
                    {
                        report.add(.damaged, at: "blob \(blob.digest)", failure.description, images: [image.fullName])
                    }
                }
            } catch let failure as any Failure where ArchiveReport.isFinding(failure) || failure.kind == .notFound {
                report.add(.damaged, at: "image \(image.fullName)", failure.description, images: [image.fullName])
            }
        }
    }
}
