import NIOCore
import OCI

/// Blobs that come in pieces: one work file each, hashed as it grows.
actor LayoutUploads {
    /// The most uploads under way in one folder; each holds a file open.
    static let limit = 256
    /// An upload that nothing was added to for this long, in milliseconds, makes room for others.
    static let patience: Int64 = 3_600_000

    struct Session: Sendable {
        let partial: LayoutPartial
        let repository: RepositoryName
        var received = Prefix(.sha256)
        var touched: Int64
        fileprivate var isTaken = false
    }

    private let folder: LayoutFolder
    private var sessions: [String: Session] = [:]

    init(_ folder: LayoutFolder) {
        self.folder = folder
    }

    func begin(in repository: RepositoryName) async throws -> String {
        let now = folder.surroundings.now()
        for (id, session) in sessions where !session.isTaken && now - session.touched > Self.patience {
            sessions[id] = nil
            await session.partial.discard()
        }
        guard sessions.count < Self.limit else {
            throw ArchiveError(.locked, "\(shown(folder.path)) takes at most \(Self.limit) uploads at a time")
        }
        let partial = try await LayoutPartial.create("upload", in: folder)
        let id = folder.surroundings.id()
        sessions[id] = Session(partial: partial, repository: repository, touched: now)
        return id
    }

    func size(_ id: String, in repository: RepositoryName) -> Int64? {
        guard let session = sessions[id], session.repository == repository else { return nil }
        return session.received.count
    }

    /// Hands a session to the one who adds to it or ends it.
    func take(_ id: String, in repository: RepositoryName) throws -> Session {
        guard let session = sessions[id], session.repository == repository else {
            throw ArchiveError(.notFound, "there is no upload \(shown(id, limit: 80)) for \(repository)")
        }
        guard !session.isTaken else {
            throw ArchiveError(.conflict, "upload \(shown(id, limit: 80)) for \(repository) is being written already")
        }
        sessions[id]?.isTaken = true
        return session
    }

    func giveBack(_ id: String, _ session: Session) {
        var session = session
        session.isTaken = false
        session.touched = folder.surroundings.now()
        sessions[id] = session
    }

    func end(_ id: String) {
        sessions[id] = nil
    }

    /// Forgets what nobody is adding to: who comes back begins anew.
    func discardIdle() async {
        for (id, session) in sessions where !session.isTaken {
            sessions[id] = nil
            await session.partial.discard()
        }
    }
}
