/// What to do about a tag that points elsewhere at the target.
public enum Overwrite: String, Sendable, CaseIterable {
    /// It is a conflict, and nothing is changed.
    case never
    /// It is moved only if it still points to what Lifeboat last wrote there; else it is a conflict.
    case ours
    case always
}
