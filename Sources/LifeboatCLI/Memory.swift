import Glibc

/// Keeps freed memory from piling up in glibc's malloc, which by default has eight arenas a processor and keeps large
/// blocks in them once one has been freed. Measured in docs/performance.md.
enum Memory {
    private typealias Option = @convention(c) (_ parameter: CInt, _ value: CInt) -> CInt

    /// `M_ARENA_MAX` and `M_MMAP_THRESHOLD` of malloc.h, which Swift's Glibc does not show (mallopt(3)).
    private static let arenas: CInt = -8
    private static let largeBlock: CInt = -3

    /// Without effect where the C library has no such options.
    static func keepSmall() {
        guard let symbol = dlsym(nil, "mallopt") else { return }
        let option = unsafeBitCast(symbol, to: Option.self)
        _ = option(arenas, 2)
        _ = option(largeBlock, 1 << 20)
    }

    /// Lets the process open as many files as the system grants it: an archive in volumes has all of them open.
    static func allowManyFiles() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
