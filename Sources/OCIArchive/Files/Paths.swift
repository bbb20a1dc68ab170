import Glibc

/// Everything up to the last slash; `.` where there is none.
public func parentFolder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The absolute path of what is there, links followed; the path itself where nothing is.
public func resolvedPath(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
}

/// A path from the root on, without empty parts and `.`; symbolic links stay, since what they lead to may change.
public func absolutePath(_ path: String) -> String {
    var whole = path
    if !path.hasPrefix("/"), let folder = getcwd(nil, 0) {
        defer { free(folder) }
        whole = String(cString: folder) + "/" + path
    }
    // `a/../b` is `b` only where `a` is no link: then it stays as it is.
    return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
}
