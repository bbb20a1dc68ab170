import Foundation
import OCI
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct ReportTests {
    private func failure(_ kind: FailureKind, _ message: String, advice: String? = nil) -> FailureReport {
        FailureReport(LifeboatError(kind, message, advice: advice), among: ["new.example.com"])
    }

    private func report(_ images: [ImageReport], comparison: Comparison? = nil) -> Report {
        var report = Report(name: "nightly")
        report.began = 1_795_220_527_000
        var step = StepReport(name: "move", kind: .import, source: "old.example.com", target: "new.example.com")
        step.images = images
        report.steps = [step]
        if let comparison {
            var step = StepReport(name: "prove", kind: .verify, source: "old", target: "new")
            step.comparison = comparison
            report.steps.append(step)
        }
        return report
    }

    private func image(_ name: String, _ outcome: ImageReport.Outcome = .done, error: FailureReport? = nil)
        -> ImageReport
    {
        var image = ImageReport(
            source: "old.example.com/" + name, target: "new.example.com/" + name,
            digest: Digest(of: Array(name.utf8)), outcome: outcome)
        image.error = error
        image.seconds = 1.5
        image.size = 3000
        image.bytesMoved = 2000
        image.bytesShared = 1000
        return image
    }

    @Test func `the report of a run that did not begin says why, and is what its schema says`() throws {
        let report = Report(
            name: "p.yaml", began: 0, error: LifeboatError(.conflict, "it has changed", advice: "make it again"))
        #expect(report.exitCode == 73)
        #expect(report.failureGroups.map(\.message) == ["it has changed"])
        #expect(report.html.contains("did not begin"))
        #expect(try SchemaValidator("report.schema.json").faults(report.json) == [])
        let pipeline = try Pipeline(
            parsing: Array(
                "version: 1\nstores: {a: {registry: a.io}}\nsteps: [{verify: {store: a}}]\n".utf8), file: "p.yaml",
            variables: [:])
        let failed = try FailedImages(parsing: Array(report.json.indented.utf8), file: "r.json")
        #expect(try failed.steps(of: pipeline).count == 1)
    }

    @Test func `what two steps have seen is counted once in the verdict`() {
        var report = report((0..<20).map { image("a:\($0)") })
        var check = StepReport(name: "prove", kind: .verify, source: "new.example.com", target: "")
        check.images = (0..<19).map { image("a:\($0)") } + [image("a:19", .failed, error: failure(.damaged, "bytes"))]
        report.steps.append(check)
        #expect(report.html.contains("1 failure; 19 images are right"))
    }

    @Test func `failures of one cause are one group, the worst class first`() {
        let refused = "new.example.com refuses the token"
        let report = report([
            image("a:1", .failed, error: failure(.unavailable, "GET new.example.com/v2/a: 503, after 5 attempts")),
            image("b:1", .failed, error: failure(.auth, refused, advice: "docker login new.example.com")),
            image("c:1", .failed, error: failure(.unavailable, "GET new.example.com/v2/c: 502, after 5 attempts")),
            image("d:1"),
        ])
        let groups = report.failureGroups
        #expect(groups.map(\.kind) == [.auth, .unavailable])
        #expect(
            groups.map { $0.items.map(\.name) } == [
                ["old.example.com/b:1"], ["old.example.com/a:1", "old.example.com/c:1"],
            ])
        #expect(groups[0].advice == "docker login new.example.com")
        #expect(report.exitCode == 3)
    }

    @Test func `a run that copies and checks ends with 3 where either fails, and with 65 where bytes are damaged`() {
        let conflict = image("a:1", .failed, error: failure(.conflict, "new.example.com/a:1 points elsewhere"))
        let lost = image("a:1", .failed, error: failure(.unavailable, "new.example.com does not answer"))
        let equal = Comparison(listed: "old", compared: "new")
        var different = equal
        let (got, want) = (Digest(of: Array("x".utf8)), Digest(of: Array("y".utf8)))
        different.differences = [.different(name: "a:1", got: got, want: want)]
        // Copied and checked, in every mixture.
        #expect(report([image("b:1")], comparison: equal).exitCode == 0)
        #expect(report([image("b:1")], comparison: different).exitCode == 3)
        #expect(report([conflict, image("b:1", .alreadyThere)], comparison: different).exitCode == 3)
        #expect(report([conflict, image("b:1")], comparison: equal).exitCode == 3)
        // Nothing was copied: what was looked at does not count as done.
        #expect(report([lost], comparison: different).exitCode == 73)
        #expect(report([lost], comparison: equal).exitCode == 69)
        #expect(report([], comparison: different).exitCode == 73)

        var damaged = report([image("b:1")], comparison: equal)
        damaged.steps[1].images = [image("b:1", .failed, error: failure(.damaged, "layer sha256:9f86d0… is damaged"))]
        #expect(damaged.exitCode == 65)
    }

    @Test func `a report is what its schema says`() throws {
        let digest = Digest(of: Array("x".utf8))
        var comparison = Comparison(listed: "old", compared: "new")
        comparison.differences = [
            .missing(name: "a:1", want: digest), .different(name: "b:1", got: digest, want: digest),
            .unreadable(name: "c:1", failure(.unavailable, "new.example.com: 503")),
        ]
        (comparison.listedDigest, comparison.comparedDigest) = (digest, digest)
        comparison.extra = ["d:1"]
        comparison.reread = Comparison.Reread(images: 2, bytes: 12)
        var failed = image(
            "a:1", .failed, error: failure(.conflict, "new.example.com/a:1 points elsewhere", advice: "x"))
        failed.replaced = digest
        failed.notes = ["a note"]
        var report = report([failed, image("b:1"), image("c:1", .alreadyThere)], comparison: comparison)
        report.steps[0].error = failure(.local, "no space")
        report.steps[0].archive = digest.description
        report.steps[0].requests = ["manifest": 3]
        let document = try JSONValue(parsing: Array(report.json.indented.utf8), in: "report")
        #expect(try SchemaValidator("report.schema.json").faults(document) == [])
        #expect(document["began"] == .string("2026-11-21T00:22:07Z"))
        let steps = try #require(document["steps"]).array("steps")
        let images = try #require(steps[0]["images"]).array("images")
        #expect(images[0]["error"]?["endpoint"] == .string("new.example.com"))
        #expect(images[0]["error"]?["hint"] == .string("x"))
        #expect(images[0]["error"]?["retryable"] == .bool(false))
        #expect(steps[0]["bytesShared"] == .number(3000))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_782_400_000, "2000-02-29T00:00:00Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00Z"), (1_795_220_527_000, "2026-11-21T00:22:07Z"),
    ])
    func `moments are RFC 3339`(_ milliseconds: Int64, _ text: String) {
        #expect(Figures.instant(milliseconds) == text)
    }

    // MARK: The page

    @Test func `each of several targets has its row`() {
        var target = TargetReport(target: "b.example.com")
        target.done = 41
        target.failed = 1
        target.error = FailureReport(LifeboatError(.local, "the disk <of b> is full"))
        var report = Report(name: "spread")
        report.steps = [StepReport(name: "spread", kind: .import, source: "old", target: "a, b")]
        #expect(!report.html.contains("<h2>Targets"))
        report.steps[0].targets = [TargetReport(target: "a.example.com"), target]
        #expect(report.html.contains("<h2>Targets <small>spread</small></h2>"))
        #expect(report.html.contains("<td><b>a.example.com</b></td>"))
        #expect(report.html.contains("<p class=\"note\">the disk &lt;of b&gt; is full</p></td>"))
        #expect(report.html.contains("<td class=\"n\">41</td><td class=\"n\">0</td><td class=\"n\">1</td>"))
    }

    @Test func `an archive that was verified counts with all of its images`() {
        var archive = ImageReport(source: "a.tar", target: "", digest: nil, outcome: .done)
        archive.imageCount = 118
        var report = Report(name: "backup")
        report.steps = [StepReport(name: "check", kind: .verify, source: "a.tar", target: "")]
        report.steps[0].images = [archive]
        #expect(report.html.contains("<td class=\"n\">118</td><td class=\"n\">0</td><td class=\"n\">0</td>"))
    }

    private static let hostile = [
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</style><script>", "' onmouseover='alert(1)",
        "javascript:alert(1)", "&lt;b&gt;", "\u{202e}gnp.exe", "a\u{0}b\nc\u{1b}[31m",
        String(repeating: "<b>", count: 2000), "{{7*7}}", "--><svg onload=alert(1)>", "]]><x>",
    ]

    @Test(arguments: hostile)
    func `a hostile name cannot put anything into the page`(_ name: String) throws {
        func page(_ name: String) -> String {
            var comparison = Comparison(listed: name, compared: name)
            let digest = Digest(of: Array("x".utf8))
            comparison.differences = [
                .missing(name: name, want: digest), .unreadable(name: name, failure(.local, name)),
            ]
            comparison.extra = [name]
            comparison.listedDigest = digest
            var image = image("a:1", .failed, error: failure(.conflict, name, advice: name))
            image.source = name
            image.target = name
            image.notes = [name]
            var report = report([image], comparison: comparison)
            report.name = name
            report.steps[0].name = name
            report.steps[0].source = name
            report.steps[0].target = name
            report.steps[0].archive = name
            report.steps[0].notes = [name]
            report.steps[0].requests = [name: 1]
            report.steps[0].error = failure(.local, name)
            return report.html
        }
        /// The markup alone: what stands between `<` and `>`, without the texts between.
        func skeleton(_ html: String) -> [Substring] {
            html.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
        }
        let (plain, attacked) = (page("x"), page(name))
        #expect(skeleton(plain) == skeleton(attacked))
        #expect(
            !attacked.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || (0x202a...0x202e).contains($0.value) })
    }

    @Test func `the page asks nobody for anything`() {
        let page = report([image("a:1")]).html
        #expect(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"))
        #expect(!page.contains("url(") && !page.contains("@import"))
        #expect(page.contains("default-src 'none'"))
    }

    @Test func `the page shows a bar for each repository`() throws {
        var large = image("team/web:1")
        large.bytesMoved = 8_000_000
        large.bytesShared = 2_000_000
        let page = report([large, image("team/web@sha256:0", .alreadyThere), image("x/y:1")]).html
        let bar = try #require(page.split(separator: "<li>").first { $0.contains("old.example.com/team/web") })
        #expect(bar.contains("<i class=\"moved\" style=\"width:80.0%\"></i>"), "\(bar)")
        #expect(bar.contains("8.00 MB moved"), "\(bar)")
        #expect(bar.contains("1 image already there"), "\(bar)")
    }

    @Test(.enabled(if: Program.exists("chromium")))
    func `a browser shows the page without a network and without a complaint`() async throws {
        var report = report(
            Self.hostile.map { name in
                var image = image("a:1", .failed, error: failure(.conflict, name, advice: name))
                image.source = name
                return image
            } + [image("team/web:1")])
        report.name = "<script>document.title='gone'</script>"
        try await withTemporaryFolder { folder in
            let page = folder + "/report.html"
            try Data(report.html.utf8).write(to: URL(fileURLWithPath: page))
            let result = try await Program.run(
                "chromium",
                [
                    "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + folder + "/profile",
                    "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking",
                    "--enable-logging=stderr", "--dump-dom", "file://" + page,
                ])
            #expect(result.output.contains("<b>12</b><span>failures</span>"), "\(result.output)")
            #expect(result.output.contains("&lt;script&gt;document.title='gone'&lt;/script&gt;"))
            #expect(!result.output.contains("<title>gone"))
            #expect(!result.errors.contains("CONSOLE"), "\(result.errors)")
        }
    }

    // MARK: Only what failed

    private let pipeline = """
        version: 1
        name: nightly
        stores: {a: {registry: old.example.com}, b: {registry: new.example.com}, f: {archive: f.tar}}
        steps:
          - {name: move, import: {from: a, to: b}}
          - {name: save, export: {from: a, to: f}}
          - {name: prove, verify: {store: b, against: a}}
        """

    private func steps(_ report: Report) throws -> [Step] {
        let pipeline = try Pipeline(parsing: Array(pipeline.utf8), file: "p.yaml", variables: [:])
        return try FailedImages(parsing: Array(report.json.indented.utf8), file: "r.json").steps(of: pipeline)
    }

    @Test func `only what failed is repeated, and what was not reached`() throws {
        let failed = image("a:1", .failed, error: failure(.unavailable, "503"))
        let steps = try steps(report([failed, image("b:1")]))
        #expect(steps.map(\.name) == ["move", "save", "prove"])
        #expect(steps.map(\.only) == [["old.example.com/a:1"], nil, nil])
        // An archive is whole or not at all.
        var second = report([image("a:1")])
        second.steps[0].name = "save"
        second.steps[0].kind = .export
        second.steps[0].images[0] = failed
        second.steps.append(StepReport(name: "move", kind: .import, source: "", target: ""))
        #expect(try self.steps(second).map(\.name) == ["save", "prove"])
        #expect(try self.steps(second)[0].only == nil)
    }

    @Test func `a report of another pipeline is refused`() throws {
        var report = report([])
        report.name = "weekly"
        let error = #expect(throws: LifeboatError.self) { try steps(report) }
        #expect(error?.kind == .usage)
        #expect(error?.description == "r.json is a report of the pipeline 'weekly', this one is 'nightly'")
    }

    @Test(arguments: ["", "[]", "{}", #"{"version":2}"#, #"{"version":1,"name":"nightly","steps":[{}]}"#])
    func `what is no report is refused`(_ text: String) {
        let error = #expect(throws: LifeboatError.self) { try FailedImages(parsing: Array(text.utf8), file: "r.json") }
        #expect(error?.description.hasPrefix("r.json is not a report: ") ?? false)
    }
}
