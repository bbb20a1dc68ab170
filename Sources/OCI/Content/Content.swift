import NIOCore

/// The bytes of one blob on their way, checked as they pass.
///
/// The last chunk is withheld until digest and size are right, so that nobody downstream can complete a blob whose
/// bytes are wrong. No byte gets around this: every read of every store is a `Content`.
public struct Content: Sendable {
    /// Sends raw bytes, in order, from where the prefix ends.
    public typealias Producer = @Sendable (_ send: (ByteBuffer) async throws -> Void) async throws -> Void

    public let descriptor: Descriptor
    /// Who sends it, such as `registry.example.com/team/app` or a path, for messages.
    public let origin: String
    /// What has been read and hashed before: the first byte that comes is at `prefix.count`.
    public let prefix: Prefix
    private let produce: Producer
    /// Whether the sender checks the bytes itself and holds back the last of them, as `split` does.
    private let isChecked: Bool

    public init(
        _ descriptor: Descriptor, from origin: String, after prefix: Prefix? = nil, produce: @escaping Producer
    ) {
        self.descriptor = descriptor
        self.origin = origin
        self.prefix = prefix ?? Prefix(descriptor.digest.algorithm)
        self.produce = produce
        isChecked = false
    }

    /// Content whose sender passes on what `forEachChunk` of `whole` gives.
    init(partOf whole: Content, produce: @escaping Producer) {
        descriptor = whole.descriptor
        origin = whole.origin
        prefix = whole.prefix
        self.produce = produce
        isChecked = true
    }

    /// The content of bytes in memory.
    public init(_ bytes: ByteBuffer, as descriptor: Descriptor, from origin: String) {
        self.init(descriptor, from: origin) { send in try await send(bytes) }
    }

    /// Passes every chunk on, in order, the last one only if the whole is right.
    ///
    /// - Throws: `OCIError` `.damaged` for too few bytes, too many, or a wrong digest; and what the sender or `receive`
    ///   throws.
    public func forEachChunk(_ receive: (ByteBuffer) async throws -> Void) async throws {
        if isChecked { return try await produce(receive) }
        var verified = prefix
        var withheld: ByteBuffer?
        try await produce { chunk in
            guard chunk.readableBytes > 0 else { return }
            guard verified.count + Int64(chunk.readableBytes) <= descriptor.size else {
                throw damaged(got: "more than \(descriptor.size) bytes", want: "\(descriptor.size)")
            }
            verified.append(chunk)
            if let ready = withheld { try await receive(ready) }
            withheld = chunk
        }
        guard verified.count == descriptor.size else {
            throw damaged(got: "\(verified.count) bytes", want: "\(descriptor.size)")
        }
        let digest = verified.digest
        guard digest == descriptor.digest else {
            throw damaged(got: "\(digest) after \(verified.count) bytes", want: "\(descriptor.digest)")
        }
        if let withheld { try await receive(withheld) }
    }

    private func damaged(got: String, want: String) -> OCIError {
        .damaged("blob \(descriptor.digest) arrived damaged from \(origin): got \(got), want \(want)")
    }

    /// The same content, with the size of each chunk told to `observe` as it is read.
    public func observed(_ observe: @escaping @Sendable (_ bytes: Int) -> Void) -> Content {
        let observed: Producer = { [produce] send in
            try await produce { chunk in
                observe(chunk.readableBytes)
                try await send(chunk)
            }
        }
        return isChecked
            ? Content(partOf: self, produce: observed)
            : Content(descriptor, from: origin, after: prefix, produce: observed)
    }

    /// All of it in memory.
    ///
    /// - Throws: `OCIError` `.policy` if it is larger than `limit`.
    public func collect(upTo limit: Int64) async throws -> ByteBuffer {
        guard descriptor.size <= limit else {
            throw OCIError.policy(
                "\(descriptor.digest) from \(origin) has \(descriptor.size) bytes, the limit is \(limit)")
        }
        var collected = ByteBuffer()
        try await forEachChunk { chunk in
            collected.writeImmutableBuffer(chunk)
        }
        return collected
    }

    /// Reads all of it and keeps nothing: the bytes are right, or it throws.
    public func verify() async throws {
        try await forEachChunk { _ in }
    }
}

/// The first bytes of a blob, already hashed: reading can go on behind them.
public struct Prefix: Sendable {
    /// Bytes hashed so far.
    public private(set) var count: Int64 = 0
    private var digester: Digester

    public init(_ algorithm: Digest.Algorithm) {
        digester = Digester(algorithm)
    }

    public mutating func append(_ chunk: ByteBuffer) {
        digester.update(chunk)
        count += Int64(chunk.readableBytes)
    }

    /// The digest of the bytes so far.
    public var digest: Digest { digester.finalize() }
}
