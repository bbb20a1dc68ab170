import OCI

/// One thing to do: a copy of images from some stores to another, or a check.
public struct Step: Sendable {
    public enum Work: Sendable {
        case copy(CopyStep)
        case verify(VerifyStep)
        case drill(DrillStep)
    }

    public var name: String
    public var work: Work
    public var onError: OnError
    /// Whether the steps behind are not run either, whatever `onError` says, if not even a plan could be made.
    public var mustBePlanned = false
    /// Names of the images that are taken, as reports call them; nil for all that the step selects.
    public var only: Set<String>?

    public init(name: String, work: Work, onError: OnError = .stop) {
        self.name = name
        self.work = work
        self.onError = onError
    }
}

/// What follows when an image fails. The other images of an import go on in any case.
public enum OnError: String, Sendable, CaseIterable {
    /// The steps behind are not run, and an archive is not written with an image missing.
    case stop
    /// An archive holds the images that could be found, and the steps behind are run.
    case `continue`
}

public struct CopyStep: Sendable {
    public var kind: StepReport.Kind
    public var sources: [SourceDefinition]
    /// At least one; what the sources give is read once for all of them.
    public var targets: [CopyTarget]
    public var overwrite: Overwrite
    /// Whether an output file that holds something else is replaced.
    public var replacesFile: Bool
    /// Patterns of the images that are moved before the others, the most important one first.
    public var first: [SelectionRule] = []
    /// Whether what a registry holds already is read there, and sent again where it is missing or damaged.
    public var repairs = false

    public init(
        kind: StepReport.Kind, sources: [SourceDefinition], targets: [CopyTarget], overwrite: Overwrite = .never,
        replacesFile: Bool = false
    ) {
        self.kind = kind
        self.sources = sources
        self.targets = targets
        self.overwrite = overwrite
        self.replacesFile = replacesFile
    }

    public init(
        kind: StepReport.Kind, sources: [SourceDefinition], target: StoreDefinition, naming: Naming = Naming(),
        overwrite: Overwrite = .never, replacesFile: Bool = false
    ) {
        self.init(
            kind: kind, sources: sources, targets: [CopyTarget(store: target, naming: naming)], overwrite: overwrite,
            replacesFile: replacesFile)
    }
}

/// One of the stores that a step writes, and what images are called there.
public struct CopyTarget: Sendable {
    public var store: StoreDefinition
    public var naming: Naming

    public init(store: StoreDefinition, naming: Naming = Naming()) {
        self.store = store
        self.naming = naming
    }
}

extension CopyStep {
    /// The first target.
    public var target: StoreDefinition {
        get { targets[0].store }
        set { targets[0].store = newValue }
    }

    /// What images are called at the first target.
    public var naming: Naming {
        get { targets[0].naming }
        set { targets[0].naming = newValue }
    }

    /// All targets on one line.
    public var targetNames: String { targets.map(\.store.asTarget).joined(separator: ", ") }
}

extension CopyStep {
    /// The registry that all images come from, if it is one, with the path under which they are there.
    var origin: String? {
        let hosts = sources.map { source -> String? in
            if case .registry = source.store { source.store.description } else { nil }
        }
        return Set(hosts).count == 1 ? hosts[0] : nil
    }
}

public struct VerifyStep: Sendable {
    /// What is checked.
    public var sources: [SourceDefinition]
    /// What it is compared with; nil to read every byte instead.
    public var against: StoreDefinition?
    /// What the other side calls the images.
    public var naming: Naming
    /// The side of which every byte is read again after a comparison; nil for neither.
    public var reread: Side?

    /// The sides of a comparison.
    public enum Side: Sendable {
        /// `sources`, whose names are looked up.
        case listed
        /// `against`, where they are looked up.
        case compared
    }

    public init(
        sources: [SourceDefinition], against: StoreDefinition?, naming: Naming = Naming(), reread: Side? = nil
    ) {
        self.sources = sources
        self.against = against
        self.naming = naming
        self.reread = reread
    }
}
