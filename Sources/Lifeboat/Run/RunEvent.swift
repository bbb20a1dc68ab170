import OCI

/// What happens during a run, as it happens.
public enum RunEvent: Sendable {
    case stepBegan(name: String, what: String)
    /// The plan is made: images to move, images already there, unique bytes to read.
    case planned(images: Int, alreadyThere: Int, bytes: Int64)
    /// A file is read as a whole.
    case reading(file: String, bytes: Int64)
    /// Bytes that came from a source since the last event of this kind.
    case moved(bytes: Int)
    /// Bytes of the plan that need not be moved: the target has them.
    case saved(bytes: Int64)
    case imageEnded(ImageReport)
    /// Something that a reader should know and that is no failure.
    case note(String)
}

/// Who is told of events. Called from many tasks at once, and must not block.
public typealias RunObserver = @Sendable (RunEvent) -> Void
