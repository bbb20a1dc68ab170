import CArchive
import NIOCore
import NIOPosix
import OCI
import Synchronization

/// What decompression may cost before it is refused.
public struct DecodingLimits: Sendable {
    /// Output to input, once there is more output than `ratioFrom`.
    public var ratio: Int64 = 1000
    public var ratioFrom: Int64 = 64 << 20
    /// Bytes of output in all.
    public var output: Int64 = 16 << 40
    /// Bytes of memory that xz may ask for.
    public var memory: UInt64 = 256 << 20

    public init() {}
}

/// Decompresses a file or pipe: gzip, zstd or xz, as many frames as there are, and nothing behind them.
final class FilterDecoder: ByteStream {
    private let name: String
    private let state: Mutex<any DecoderState>
    private let progress: Mutex<Int64>
    private let limits: DecodingLimits
    private let threads: NIOThreadPool

    /// Decompresses one frame, member or stream within a file, and says where it ended.
    ///
    /// - Parameter end: where the frame may end at most; of zstd where it ends.
    init(
        _ format: ArchiveFormat, frameOf file: any File, from start: Int64, until end: Int64,
        threads: NIOThreadPool = .singleton
    ) {
        name = shown(file.path, limit: 1000)
        limits = DecodingLimits()
        self.threads = threads
        progress = Mutex(0)
        let input = DecoderInput(file, from: start, until: end)
        state =
            switch format {
            case .gzip: Mutex(GzipDecoderState(input, isSingle: true))
            case .xz: Mutex(XZDecoderState(input, memory: limits.memory, isSingle: true))
            case .zstd, .plain: Mutex(ZstdDecoderState(input))
            }
    }

    /// Compressed bytes that what came out so far was made of; known at the end.
    var usedCount: Int64 { state.withLock { $0.inputCount - Int64($0.restCount) } }

    init(
        _ format: ArchiveFormat, _ file: any File, after head: ByteBuffer? = nil, isPipe: Bool,
        limits: DecodingLimits = DecodingLimits(), threads: NIOThreadPool = .singleton
    ) {
        name = shown(file.path, limit: 1000)
        self.limits = limits
        self.threads = threads
        progress = Mutex(0)
        let input = DecoderInput(file, head: head, isPipe: isPipe)
        state =
            switch format {
            case .gzip: Mutex(GzipDecoderState(input))
            case .xz: Mutex(XZDecoderState(input, memory: limits.memory))
            case .zstd, .plain: Mutex(ZstdDecoderState(input))
            }
    }

    func next() async throws -> ByteBuffer? {
        let (chunk, inputCount) = try await threads.runIfActive { [self] in
            try state.withLock { (try $0.next(), $0.inputCount) }
        }
        guard let chunk else { return nil }
        let total = progress.withLock {
            $0 += Int64(chunk.readableBytes)
            return $0
        }
        if total > limits.output {
            throw ArchiveError.policy("\(name) decompresses to more than \(limits.output) bytes")
        }
        if total > limits.ratioFrom, total / max(1, inputCount) > limits.ratio {
            throw ArchiveError.policy(
                "\(name) decompresses to more than \(limits.ratio) times its size: \(total) bytes from \(inputCount)",
                advice: "decompress it by hand if it is trusted, and give the plain archive")
        }
        return chunk
    }
}

/// The state behind one decoder, used by one thread at a time.
protocol DecoderState: AnyObject {
    /// Compressed bytes taken so far.
    var inputCount: Int64 { get }
    /// Of those, bytes that were not needed.
    var restCount: Int { get }
    /// The next bytes, never an empty buffer; nil at the end, which is then complete.
    func next() throws -> ByteBuffer?
}

/// Compressed bytes for a decoder, which asks for them on a thread that may block.
final class DecoderInput {
    static let chunkSize = 256 << 10

    let file: any File
    private(set) var count: Int64 = 0
    private var head: ByteBuffer?
    private let isPipe: Bool
    private let start: Int64
    private let end: Int64
    /// What libarchive reads from; it stays until the next call.
    private var current = ByteBuffer()

    init(_ file: any File, head: ByteBuffer?, isPipe: Bool) {
        self.file = file
        self.head = head
        self.isPipe = isPipe
        start = 0
        end = .max
    }

    /// A part of a file.
    init(_ file: any File, from start: Int64, until end: Int64) {
        self.file = file
        isPipe = false
        self.start = start
        self.end = end
    }

    func next() throws -> ByteBuffer {
        let bytes: ByteBuffer
        if let head, head.readableBytes > 0 {
            bytes = head
            self.head = nil
        } else {
            let limit = Int(min(Int64(DecoderInput.chunkSize), end - start - count))
            guard limit > 0 else { return ByteBuffer() }
            bytes = try file.readBlocking(at: isPipe ? nil : start + count, count: limit)
        }
        count += Int64(bytes.readableBytes)
        return bytes
    }
}

func damagedFilter(_ file: any File, _ reason: String) -> ArchiveError {
    .damaged("\(shown(file.path, limit: 1000)) is damaged: \(reason)")
}

/// - Parameter archive: how messages call it.
func compressedTwice(_ archive: String) -> ArchiveError {
    .policy("\(archive) is compressed more than once", advice: "decompress it once, and give what comes out")
}
