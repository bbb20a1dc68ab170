import Glibc
import Lifeboat
import OCI

/// Keeps freed memory from piling up in glibc's malloc, which by default has eight arenas a processor and keeps large
/// blocks in them once one has been freed. Measured in docs/performance.md.
enum Memory {
    private typealias Option = @convention(c) (_ parameter: CInt, _ value: CInt) -> CInt

    /// `M_ARENA_MAX`, `M_MMAP_THRESHOLD` and `M_TRIM_THRESHOLD` of malloc.h, which Swift's Glibc does not show (mallopt(3)).
    private static let arenas: CInt = -8
    private static let largeBlock: CInt = -3
    private static let trim: CInt = -1

    /// Without effect where the C library has no such options.
    static func keepSmall() {
        guard let symbol = dlsym(nil, "mallopt") else { return }
        let option = unsafeBitCast(symbol, to: Option.self)
        _ = option(arenas, 2)
        _ = option(largeBlock, 1 << 20)
        // What is freed at the end of the heap is needed again at once: buffers of half a megabyte.
        _ = option(trim, 8 << 20)
    }

    /// Files and connections, the least that there must be room for: the runtime takes a dozen, and does not say when it got none.
    private static let fewestFiles: rlim_t = 32

    /// Lets the process open as many files as the system grants it: an archive in volumes has all of them open.
    ///
    /// - Throws: `LifeboatError` `.local` if that is too few to work with.
    static func allowManyFiles() throws {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = min(limit.rlim_max, 65_536)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        guard limit.rlim_cur >= fewestFiles else {
            throw LifeboatError(
                .local, "only \(limit.rlim_cur) files may be open at a time, want at least \(fewestFiles)",
                advice: "raise the limit: ulimit -n 1024")
        }
    }
}
