import Glibc
import Lifeboat
import Logging
import OCI
import OCIArchive
import OCIRegistry

extension RunEnvironment {
    /// The environment of the command: this machine's files, clock and chance, docker's credentials.
    ///
    /// - Parameter flags: nil for a verb that reaches no registry.
    static func command(_ flags: RegistryFlags?, repository: String? = nil) throws -> RunEnvironment {
        var registries = RegistryOptions()
        registries.tls.caFile = flags?.authority
        let variables = processVariables()
        if flags != nil {
            registries.proxies = try ProxySettings(environment: variables)
            registries.tls.folders = certificateFolders(variables)
            registries.budgetFolder = stateFolder + "/budgets"
        }
        var environment = RunEnvironment(
            fileSystem: LocalFileSystem(), surroundings: .machine, registries: registries,
            logger: Logger(label: "lifeboat") { _ in SwiftLogNoOpLogHandler() }, workFolder: stateFolder)
        environment.variables = variables
        environment.serving = embeddedServer(environment)
        environment.plainHTTPHosts = Set(flags?.plainHTTP ?? [])
        if let concurrency = flags?.concurrency {
            environment.concurrency = concurrency
        }
        environment.defaultRepository = try repository.map { try RepositoryName($0) }
        return environment
    }

    /// Where docker and podman keep certificates, a folder for each registry (containers-certs.d(5)).
    private static func certificateFolders(_ variables: [String: String]) -> [String] {
        (variables["HOME"].map { [$0 + "/.config/containers/certs.d"] } ?? [])
            + ["/etc/containers/certs.d", "/etc/docker/certs.d"]
    }

    /// `$XDG_STATE_HOME/lifeboat`, else `~/.local/state/lifeboat` (XDG base directory specification).
    private static var stateFolder: String {
        if let folder = variable("XDG_STATE_HOME"), folder.hasPrefix("/") { return folder + "/lifeboat" }
        if let home = variable("HOME"), home.hasPrefix("/") { return home + "/.local/state/lifeboat" }
        return (variable("TMPDIR") ?? "/var/tmp") + "/lifeboat-\(getuid())"
    }

    static func variable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }
}

extension Surroundings {
    /// The machine's clocks and random numbers.
    static let machine = Surroundings(
        clock: ContinuousClock(),
        now: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        },
        random: { UInt64.random(in: .min ... .max) })
}

/// The variables of this process, which `$NAME` in a definition stands for.
func processVariables() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
        let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
        entry += 1
    }
    return variables
}
