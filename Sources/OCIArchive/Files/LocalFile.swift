import CArchive
import Glibc
import NIOCore
import NIOPosix
import OCI

/// An open file of this machine. It closes with `close`, or with its last reference.
final class LocalFile: File {
    let path: String
    private let descriptor: OwnedDescriptor
    private let threads: NIOThreadPool

    init(descriptor: Int32, path: String, threads: NIOThreadPool) {
        self.descriptor = OwnedDescriptor(descriptor)
        self.path = path
        self.threads = threads
    }

    deinit {
        if let open = descriptor.take() { Glibc.close(open) }
    }

    private func run<R: Sendable>(_ action: String, _ body: @escaping @Sendable (Int32) throws -> R) async throws -> R {
        try await threads.runIfActive { [self] in
            guard let open = descriptor.current else { throw FileError(action, path, code: EBADF) }
            return try body(open)
        }
    }

    func status() async throws -> FileStatus {
        let path = path
        return try await run("look at") { descriptor in
            var status = stat()
            _ = try check("look at", path) { fstat(descriptor, &status) }
            return FileStatus(status)
        }
    }

    func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
        try await threads.runIfActive { [self] in try readBlocking(at: offset, count: count) }
    }

    func readNext(_ count: Int) async throws -> ByteBuffer {
        try await threads.runIfActive { [self] in try readBlocking(at: nil, count: count) }
    }

    func readBlocking(at offset: Int64?, count: Int) throws -> ByteBuffer {
        guard let open = descriptor.current else { throw FileError("read", path, code: EBADF) }
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while buffer.readableBytes < count {
            let done = buffer.readableBytes
            let got = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { space in
                let room = min(space.count, count - done)
                guard let offset else {
                    return try check("read", path) { Glibc.read(open, space.baseAddress, room) }
                }
                return try check("read at \(offset + Int64(done)) from", path) {
                    pread(open, space.baseAddress, room, off_t(offset) + off_t(done))
                }
            }
            if got == 0 || offset == nil { break }
        }
        return buffer
    }

    /// Bytes that are hashed before the thread is given back.
    private static let digestTurn: Int64 = 16 << 20
    /// Bytes a read: they are still in the processor's cache when they are hashed.
    private static let digestRead = 256 << 10

    /// Read and hashed on one thread, into one buffer.
    func digest(
        at offset: Int64, count: Int64, by algorithm: Digest.Algorithm, observe: @escaping @Sendable (Int) -> Void
    ) async throws -> (digest: Digest, count: Int64) {
        let path = path
        var digester = Digester(algorithm)
        var done: Int64 = 0
        while done < count {
            try Task.checkCancellation()
            let (start, sum) = (done, digester)
            let end = min(count, start + LocalFile.digestTurn)
            (digester, done) = try await run("read") { descriptor in
                var sum = sum
                let buffer = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: Int(min(Int64(LocalFile.digestRead), end - start)), alignment: 4096)
                defer { buffer.deallocate() }
                var done = start
                while done < end {
                    let room = Int(min(Int64(buffer.count), end - done))
                    let got = try check("read at \(offset + done) from", path) {
                        pread(descriptor, buffer.baseAddress, room, off_t(offset + done))
                    }
                    if got == 0 { break }
                    sum.update(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
                    done += Int64(got)
                    observe(got)
                }
                return (sum, done)
            }
            if done < end { break }
        }
        return (digester.finalize(), done)
    }

    func write(_ pieces: [ByteBuffer], at offset: Int64) async throws {
        let path = path
        try await run("write") { descriptor in
            try withVectors(of: pieces) { vectors in
                var (left, position) = (vectors, offset)
                while !left.isEmpty {
                    let done = try check("write \(left.reduce(0) { $0 + $1.iov_len }) bytes at \(position) to", path) {
                        pwritev(descriptor, left.baseAddress, Int32(left.count), off_t(position))
                    }
                    position += Int64(done)
                    left.drop(done)
                }
            }
        }
    }

    func writeNext(_ bytes: ByteBuffer) async throws {
        let path = path
        try await run("write") { descriptor in
            try bytes.withUnsafeReadableBytes { raw in
                var done = 0
                while done < raw.count {
                    done += try check("write \(raw.count - done) bytes to", path) {
                        Glibc.write(descriptor, raw.baseAddress! + done, raw.count - done)
                    }
                }
            }
        }
    }

    /// Not `posix_fallocate`: where the file system cannot reserve, that one reads and writes every block instead, and
    /// would undo what is written meanwhile (posix_fallocate(3), "glibc notes").
    ///
    /// Nothing in memory (tmpfs): there it takes page after page, as long as writing them, while nobody else can write.
    func reserve(_ range: Range<Int64>) async throws {
        let path = path
        guard !range.isEmpty else { return }
        try await run("reserve space in") { descriptor in
            guard !LocalFile.isInMemory(descriptor) else { return }
            while fallocate(descriptor, 0, off_t(range.lowerBound), off_t(range.count)) != 0 {
                switch errno {
                case EINTR: continue
                case EOPNOTSUPP, ENOSYS, EINVAL: return
                default: throw FileError("reserve \(range.count) bytes for", path, code: errno)
                }
            }
        }
    }

    private static func isInMemory(_ descriptor: Int32) -> Bool {
        var status = statfs()
        return fstatfs(descriptor, &status) == 0 && Int(status.f_type) == Int(TMPFS_MAGIC)
    }

    func truncate(_ size: Int64) async throws {
        let path = path
        try await run("truncate") { descriptor in
            _ = try check("truncate", path) { ftruncate(descriptor, off_t(size)) }
        }
    }

    func sync() async throws {
        let path = path
        try await run("sync") { descriptor in _ = try check("sync", path) { fsync(descriptor) } }
    }

    func lock(shared: Bool) async throws -> Bool {
        let path = path
        return try await run("lock") { descriptor in
            while true {
                if flock(descriptor, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 { return true }
                switch errno {
                case EINTR: continue
                case EWOULDBLOCK: return false
                default: throw FileError("lock", path, code: errno)
                }
            }
        }
    }

    func close() async throws {
        let path = path
        try await threads.runIfActive { [descriptor] in
            guard let open = descriptor.take() else { return }
            // On Linux the descriptor is gone even if close is interrupted: it must not be tried again.
            if Glibc.close(open) != 0, errno != EINTR { throw FileError("close", path, code: errno) }
        }
    }
}

/// Hands over where the bytes of buffers are, leaving out empty ones.
private func withVectors<R>(
    of buffers: [ByteBuffer], _ body: (UnsafeMutableBufferPointer<iovec>) throws -> R
) rethrows -> R {
    var vectors: [iovec] = []
    vectors.reserveCapacity(buffers.count)
    return try withVectors(of: buffers[...], behind: &vectors, body)
}

/// One call within the other, since an address counts only within the closure that is given it.
private func withVectors<R>(
    of buffers: ArraySlice<ByteBuffer>, behind vectors: inout [iovec],
    _ body: (UnsafeMutableBufferPointer<iovec>) throws -> R
) rethrows -> R {
    guard let buffer = buffers.first else { return try vectors.withUnsafeMutableBufferPointer { try body($0) } }
    return try buffer.withUnsafeReadableBytes { bytes in
        if !bytes.isEmpty {
            vectors.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count))
        }
        return try withVectors(of: buffers.dropFirst(), behind: &vectors, body)
    }
}

extension UnsafeMutableBufferPointer<iovec> {
    /// Takes away the first bytes.
    fileprivate mutating func drop(_ count: Int) {
        var (left, count) = (self[...], count)
        while let first = left.first, count >= first.iov_len {
            count -= first.iov_len
            left = left.dropFirst()
        }
        if count > 0 {
            left[left.startIndex].iov_base += count
            left[left.startIndex].iov_len -= count
        }
        self = UnsafeMutableBufferPointer(rebasing: left)
    }
}
