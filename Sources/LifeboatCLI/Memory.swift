import Glibc

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
        // What is freed at the end of the heap is needed again at once: buffers of what arrives.
        _ = option(trim, 8 << 20)
    }
}
