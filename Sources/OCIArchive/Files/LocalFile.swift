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

    func write(_ bytes: ByteBuffer, at offset: Int64) async throws {
        let path = path
        try await run("write") { descriptor in
            try bytes.withUnsafeReadableBytes { raw in
                var done = 0
                while done < raw.count {
                    let position = offset + Int64(done)
                    done += try check("write \(raw.count - done) bytes at \(position) to", path) {
                        pwrite(descriptor, raw.baseAddress! + done, raw.count - done, off_t(position))
                    }
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

    func reserve(_ size: Int64) async throws {
        let path = path
        try await run("reserve space in") { descriptor in
            if size > 0 {
                let code = posix_fallocate(descriptor, 0, off_t(size))
                guard code == 0 || code == EOPNOTSUPP || code == EINVAL else {
                    throw FileError("reserve \(size) bytes for", path, code: code)
                }
            }
            _ = try check("set the length of", path) { ftruncate(descriptor, off_t(size)) }
        }
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
