import OCI

/// Plans name archives and folders from the definition's folder on, so that they mean the same wherever they are read.
extension PipelinePlan {
    /// Makes every path in the folder of the definition relative to it.
    ///
    /// - Parameter folder: absolute, and so are the paths of the plan: no registry is called like that.
    public mutating func makeRelative(to folder: String) {
        for number in steps.indices { steps[number].makeRelative(to: folder) }
    }
}

extension StepPlan {
    fileprivate mutating func makeRelative(to folder: String) {
        self.folder = folder
        source = relativeList(source)
        target = relativeList(target)
        // There may be very many, and most of them are of registries.
        for number in images.indices where images[number].source.hasPrefix("/") {
            images[number].source = relative(images[number].source)
        }
        for number in images.indices where images[number].target.hasPrefix("/") {
            images[number].target = relative(images[number].target)
        }
    }

    /// A name without the definition's folder before it.
    func relative(_ name: String) -> String {
        guard let folder else { return name }
        let prefix = folder.hasSuffix("/") ? folder : folder + "/"
        return name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
    }

    /// Several stores are named with commas between them.
    private func relativeList(_ names: String) -> String {
        names.split(separator: ", ", omittingEmptySubsequences: false).map { relative(String($0)) }
            .joined(separator: ", ")
    }
}
