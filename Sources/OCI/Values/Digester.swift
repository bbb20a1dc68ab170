import Crypto
import NIOCore

/// A hash in progress: bytes go in, in order, and a `Digest` comes out.
///
/// A value: a copy goes on independently, which is what makes a half-read blob resumable.
public struct Digester: Sendable {
    // One of the two is set; optionals, so that an update happens in place and copies nothing.
    private var sha256: SHA256?
    private var sha512: SHA512?

    public init(_ algorithm: Digest.Algorithm) {
        switch algorithm {
        case .sha256: sha256 = SHA256()
        case .sha512: sha512 = SHA512()
        }
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        sha256?.update(bufferPointer: bytes)
        sha512?.update(bufferPointer: bytes)
    }

    public mutating func update(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { update($0) }
    }

    public func finalize() -> Digest {
        if let sha512 {
            Digest(algorithm: .sha512, bytes: sha512.finalize())
        } else {
            Digest(algorithm: .sha256, bytes: (sha256 ?? SHA256()).finalize())
        }
    }
}

extension Digest {
    /// The digest of bytes in memory.
    public init(of buffer: ByteBuffer, algorithm: Algorithm = .sha256) {
        var digester = Digester(algorithm)
        digester.update(buffer)
        self = digester.finalize()
    }

    /// The digest of bytes in memory.
    public init(of bytes: [UInt8], algorithm: Algorithm = .sha256) {
        var digester = Digester(algorithm)
        bytes.withUnsafeBytes { digester.update($0) }
        self = digester.finalize()
    }
}
