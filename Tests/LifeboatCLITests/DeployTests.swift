import Foundation
import Lifeboat
import TestSupport
import Testing
import Yams

/// What is in deploy/ says what the command understands.
@Suite struct DeployTests {
    private static let folder = Fixtures.package.appendingPathComponent("deploy")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)
    }

    /// Holds that a verb has all the options that a command line uses.
    private func check(_ words: [String], _ place: String) async throws {
        let verb = try #require(words.first)
        let help = try await Lifeboat.run("help", verb)
        #expect(help.status == 0, "\(place): there is no verb \(verb)")
        let known = Set(help.output.split { !($0.isLetter || $0 == "-") }.map(String.init))
        for option in words where option.hasPrefix("--") {
            #expect(known.contains(option), "\(place): \(verb) has no \(option)")
        }
    }

    @Test(arguments: ["lifeboat-schedule.service", "lifeboat-run@.service"])
    func `the services use options that exist`(_ name: String) async throws {
        let lines = try Self.text("systemd/" + name).split(separator: "\n")
        let command = try #require(lines.first { $0.hasPrefix("ExecStart=/usr/local/bin/lifeboat ") })
        try await check(command.split(separator: " ").dropFirst().map(String.init), name)
    }

    @Test(.enabled(if: Program.exists("systemd-analyze"), "systemd is not installed"))
    func `systemd finds nothing to mend`() async throws {
        try await withTemporaryFolder { folder in
            var units: [String] = []
            for name in ["lifeboat-schedule.service", "lifeboat-run@.service", "lifeboat-run@.timer"] {
                let text = try Self.text("systemd/" + name)
                    .replacingOccurrences(of: "/usr/local/bin/lifeboat", with: Lifeboat.binary)
                units.append(folder + "/" + name.replacingOccurrences(of: "@", with: "@nightly"))
                try Data(text.utf8).write(to: URL(fileURLWithPath: units[units.count - 1]))
                try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
            }
            let result = try await Program.run(
                "systemd-analyze", ["verify", "--man=no"] + units, environment: ["SYSTEMD_UNIT_PATH": folder + ":"])
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            #expect(!result.errors.contains("lifeboat"), "\(result.errors)")
        }
    }

    @Test(arguments: ["cronjob.yaml", "deployment.yaml"])
    func `the manifests parse, and their containers use options that exist`(_ name: String) async throws {
        var commands = 0
        for document in Array(try Yams.compose_all(yaml: try Self.text("kubernetes/" + name))) {
            #expect(document["apiVersion"]?.string != nil && document["metadata"]?["name"]?.string != nil)
            if let schedule = document["spec"]?["schedule"]?.string {
                _ = try CronSchedule(parsing: schedule)
                _ = try ZoneClock(named: try #require(document["spec"]?["timeZone"]?.string))
            }
            let template =
                document["spec"]?["jobTemplate"]?["spec"]?["template"] ?? document["spec"]?["template"]
            for container in template?["spec"]?["containers"]?.array() ?? [] {
                try await check(try #require(container["args"]?.array()).map { $0.string ?? "" }, name)
                commands += 1
            }
        }
        #expect(commands == 1)
    }

    @Test func `the image has what the binary needs, and runs as nobody in particular`() throws {
        let text = try Self.text("Dockerfile")
        #expect(text.split(separator: "\n").count { $0.hasPrefix("FROM ") } == 2)
        #expect(text.contains("\nUSER 10001:10001\n"))
        #expect(text.contains("ENTRYPOINT [\"/usr/local/bin/lifeboat\"]"))
        for package in ["ca-certificates", "libarchive13", "liblzma5", "libsqlite3-0", "tzdata", "zlib1g"] {
            #expect(text.contains(" \(package)"))
        }
    }

    @Test func `the same binary gives the same tarball, with manual pages and completions`() async throws {
        try await withTemporaryFolder { folder in
            // A stand-in that answers like the command: stripping and packing the real one takes long.
            let binary = folder + "/lifeboat"
            try Data("#!/bin/sh\nexec '\(Lifeboat.binary)' \"$@\"\n".utf8).write(to: URL(fileURLWithPath: binary))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: binary)
            var archives: [Data] = []
            for out in ["a", "b"] {
                let result = try await Program.run(
                    Fixtures.package.appendingPathComponent("Scripts/dist").path,
                    ["--binary", binary, "--out", folder + "/" + out], environment: ["SOURCE_DATE_EPOCH": "1790000000"])
                #expect(result.status == 0, "\(result.errors)")
                let path = String(result.output.dropLast())
                #expect(path.hasPrefix(folder + "/\(out)/lifeboat-0.1.0-linux-"))
                archives.append(try bytes(of: path))
                if out == "a" { try await Program.run("tar", "--extract", "--file", path, "--directory", folder) }
            }
            #expect(archives[0] == archives[1] && archives[0].count > 10_000)
            let root = try #require(
                try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix("lifeboat-") })
            let share = folder + "/" + root + "/share/"
            let pages = try FileManager.default.contentsOfDirectory(atPath: share + "man/man1")
            for page in ["lifeboat.1", "lifeboat-run.1", "lifeboat-schedule.1", "lifeboat-status.1"] {
                #expect(pages.contains(page))
            }
            let completion = try await Program.run("bash", "-n", share + "bash-completion/completions/lifeboat")
            #expect(completion.status == 0, "\(completion.errors)")
            #expect(exists(share + "zsh/site-functions/_lifeboat"))
            #expect(exists(share + "fish/vendor_completions.d/lifeboat.fish"))
            #expect(exists(share + "lifeboat/deploy/Dockerfile"))
            if Program.exists("mandoc") {
                let lint = try await Program.run(
                    "mandoc", ["-Tlint", "-W", "error"] + pages.map { share + "man/man1/" + $0 })
                #expect(lint.status == 0, "\(lint.output)\(lint.errors)")
            }
        }
    }
}
