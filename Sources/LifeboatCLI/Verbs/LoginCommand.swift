import ArgumentParser
import Glibc
import Lifeboat
import OCI
import OCIRegistry

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Log in to a registry, where docker and podman find it too.",
        discussion: """
            The registry is asked first. The login goes where docker keeps it: to the helper that config.json names for the \
            registry, else into the file itself.

            lifeboat login registry.example.com
            pass show registry | lifeboat login registry.example.com --username deploy --password-stdin
            """)

    @Argument(help: ArgumentHelp("The registry; docker.io is Docker Hub.", valueName: "host"))
    var host: String

    @Option(name: .shortAndLong, help: ArgumentHelp("The user's name; asked for without.", valueName: "name"))
    var username: String?

    @Flag(name: .customLong("password-stdin"), help: "Read the password from stdin.")
    var readsPassword = false

    @OptionGroup var file: LoginFileFlags
    @OptionGroup var registries: RegistryFlags

    func validate() throws {
        if readsPassword, username == nil { throw ValidationError("--password-stdin goes with --username") }
    }

    func run() async throws {
        let store = try StoreDefinition.registry(parsing: host)
        guard case .registry(let name, let prefix) = store, prefix.isEmpty else {
            throw LifeboatError(.usage, "'\(shown(host, limit: 200))' is not a host", advice: "host or host:port")
        }
        let username = try username ?? Prompt.line("Username for \(name): ")
        let password =
            try readsPassword ? Prompt.standardInput() : Prompt.password("Password for \(username) at \(name): ")
        guard !username.isEmpty, !username.contains(":"), !password.isEmpty else {
            throw LifeboatError(.usage, "user name or password is empty, or the user name has a colon in it")
        }
        let environment = try RunEnvironment.command(registries)
        var options = environment.registries
        if environment.plainHTTPHosts.contains(host) || environment.plainHTTPHosts.contains(name) {
            options.plainHTTP = true
        }
        options.credentials = .fixed(.password(username: username, password: password))
        let registry = try Registry(
            host: host, options: options, surroundings: environment.surroundings, logger: environment.logger)
        let asks: Bool
        do {
            asks = try await registry.checkLogin()
        } catch {
            try await registry.shutdown()
            throw error
        }
        try await registry.shutdown()
        let place = try await file.logins().save(username: username, password: password, for: host)
        if !asks { Terminal.story("note: \(name) does not ask for a login") }
        if case .file = place {
            Terminal.story(
                "note: the password stands there for all who can read the file; a credential helper hides it")
        }
        Terminal.answer("logged in to \(name) as \(shown(username, limit: 200)); kept in \(place)")
    }
}

struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "Forget the login to a registry.")

    @Argument(help: ArgumentHelp("The registry; docker.io is Docker Hub.", valueName: "host"))
    var host: String

    @OptionGroup var file: LoginFileFlags

    func run() async throws {
        guard case .registry(let name, _) = try StoreDefinition.registry(parsing: host) else { return }
        let places = try await file.logins().erase(host)
        guard let place = places.first else {
            return Terminal.answer("not logged in to \(name)")
        }
        Terminal.answer("logged out of \(name); forgotten by \(place)")
    }
}

/// Where logins are kept.
struct LoginFileFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The file of logins, as podman has it (default: $REGISTRY_AUTH_FILE, else docker's config.json).",
            valueName: "file"))
    var authfile: String?

    func logins() throws -> Logins { try Logins(path: authfile, environment: processVariables()) }
}
