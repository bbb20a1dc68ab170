import Glibc
import Lifeboat
import OCI

/// How many files and connections the process may have open at a time.
enum OpenFiles {
    /// The least that there must be room for: the runtime takes a dozen, and does not say when it got none.
    private static let fewest: rlim_t = 32

    /// Raises the limit to what the system grants: an archive in volumes has all of them open.
    ///
    /// - Throws: `LifeboatError` `.local` if that is too few to work with.
    static func allowMany() throws {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = min(limit.rlim_max, 65_536)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        guard limit.rlim_cur >= fewest else {
            throw LifeboatError(
                .local, "only \(limit.rlim_cur) files may be open at a time, want at least \(fewest)",
                advice: "raise the limit: ulimit -n 1024")
        }
    }
}
