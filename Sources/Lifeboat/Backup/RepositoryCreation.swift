import Glibc
import OCI
import Synchronization

/// Makes repositories at a registry that takes no image before they are there: a program does it, one call each.
struct RepositoryCreation: Sendable {
    /// What stands for the repository's name in the program's arguments.
    static let placeholder = "{repository}"
    static let timeLimit = Duration.seconds(60)
    private static let pause = Duration.milliseconds(20)
    private static let requestsAtATime = 16

    /// The program and its arguments; no shell reads them.
    let command: [String]
    /// How messages call the registry.
    let registry: String

    /// The repositories that a plan writes to and that the registry does not know, sorted.
    static func missing(in plan: Plan, target: Int, store: any TargetStore) async throws -> [RepositoryName] {
        guard let source = store as? any SourceStore else { return [] }
        let wanted = Set(
            plan.items.filter { $0.target == target && $0.action != .alreadyThere }.map(\.targetRepository)
        ).sorted()
        let known = try await map(wanted, limit: requestsAtATime) { repository in
            do {
                _ = try await source.source(repository).tags()
                return true
            } catch let error as any Failure where error.kind == .notFound {
                return false
            }
        }
        return zip(wanted, known).filter { !$0.1 }.map(\.0)
    }

    /// - Throws: `LifeboatError` `.conflict` if the program cannot be run, fails, or takes too long.
    func create(_ repository: RepositoryName) async throws {
        let words = command.map { word in
            word.replacing(RepositoryCreation.placeholder, with: repository.description)
        }
        let child = try start(words, repository)
        let deadline = ContinuousClock.now + RepositoryCreation.timeLimit
        do {
            while true {
                if let status = try ended(child, repository) {
                    guard status == 0 else {
                        throw failed(
                            repository,
                            status & 0x7f == 0
                                ? "it ended with exit code \(status >> 8 & 0xff)"
                                : "it ended with signal \(status & 0x7f)")
                    }
                    return
                }
                guard ContinuousClock.now < deadline else {
                    throw failed(
                        repository, "it took longer than \(RepositoryCreation.timeLimit.components.seconds) s")
                }
                try await Task.sleep(for: RepositoryCreation.pause)
            }
        } catch {
            kill(-child, SIGKILL)
            var status: Int32 = 0
            waitpid(child, &status, 0)
            throw error
        }
    }

    private func failed(_ repository: RepositoryName, _ reason: String) -> LifeboatError {
        LifeboatError(
            .conflict,
            "\(shown(command.first ?? "", limit: 200)) did not make repository \(repository) at \(registry): \(reason)",
            advice: "run it by hand to see what it says; createRepositories of the store names it")
    }

    private func ended(_ child: pid_t, _ repository: RepositoryName) throws(LifeboatError) -> Int32? {
        var status: Int32 = 0
        while true {
            let found = waitpid(child, &status, WNOHANG)
            if found == child { return status }
            if found == 0 { return nil }
            if errno != EINTR { throw failed(repository, String(cString: strerror(errno))) }
        }
    }

    /// In a group of its own, its output on our standard error.
    private func start(_ words: [String], _ repository: RepositoryName) throws(LifeboatError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, 2, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        let error = posix_spawnp(&child, words[0], &actions, &attributes, arguments, environ)
        guard error == 0 else { throw failed(repository, String(cString: strerror(error))) }
        return child
    }
}

extension RepositoryCreation {
    /// Makes what is missing; images of a repository that could not be made become failures of the plan.
    ///
    /// - Returns: what was made.
    func prepare(_ plan: inout Plan, target: Int, store: any TargetStore) async throws -> [RepositoryName] {
        var made: [RepositoryName] = []
        for repository in try await RepositoryCreation.missing(in: plan, target: target, store: store) {
            do {
                try await create(repository)
                made.append(repository)
            } catch let error as LifeboatError {
                let isLost = { (item: PlanItem) in item.target == target && item.targetRepository == repository }
                plan.failures += plan.items.filter(isLost).map {
                    PlanFailure(name: $0.sourceName, target: $0.targetName, targetNumber: target, error: error)
                }
                plan.items.removeAll(where: isLost)
            }
        }
        return made
    }
}
