import NIOCore

/// A stream whose bytes also go into a temporary file, until it is clear that nobody needs them again.
actor TeeStream: ByteStream {
    private let stream: any ByteStream
    private var copy: (any File)?
    private let openCopy: @Sendable () async throws -> any File
    private var isCopying = true
    private(set) var position: Int64 = 0

    init(_ stream: any ByteStream, openCopy: @escaping @Sendable () async throws -> any File) {
        self.stream = stream
        self.openCopy = openCopy
    }

    func next() async throws -> ByteBuffer? {
        guard let chunk = try await stream.next() else { return nil }
        if isCopying { try await openedCopy().write(chunk, at: position) }
        position += Int64(chunk.readableBytes)
        return chunk
    }

    private func openedCopy() async throws -> any File {
        if let copy { return copy }
        let file = try await openCopy()
        copy = file
        return file
    }

    /// Goes on without a copy, and gives up what there is of it.
    func stopCopying() async throws {
        isCopying = false
        try await copy?.close()
        copy = nil
    }

    /// Reads the rest, and returns the file that holds all of it.
    func copyRest() async throws -> any File {
        while try await next() != nil {}
        return try await openedCopy()
    }
}
