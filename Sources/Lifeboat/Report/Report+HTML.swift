import OCI

extension Report {
    /// Rows of the tables; what is more is counted, and stands in the JSON report.
    static let repositoryRows = 60
    static let imageRows = 15
    static let failureRows = 200

    /// The report as one page that needs nothing else: no network, no script, light or dark as the reader likes.
    public var html: String {
        let page: HTML = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta http-equiv="Content-Security-Policy" \
            content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
            <link rel="icon" href="data:,">
            <title>\(name): \(verdict)</title>
            <style>\(Report.style)</style>
            </head>
            <body>
            <main>
            \(header)
            \(totals)
            \(certificates)
            \(failureSection)
            \(stepSection)
            \(targetSection)
            \(repositorySection)
            \(slowestSection)
            </main>
            <footer>Lifeboat · report of \(moment) · exit code \(Int(exitCode))</footer>
            </body>
            </html>

            """
        return page.markup
    }

    /// `2026-11-21 00:22:07 UTC`.
    private var moment: String {
        Figures.instant(began).prefix(19).split(separator: "T").joined(separator: " ") + " UTC"
    }

    private var images: [ImageReport] { steps.flatMap(\.images) }
    private var failureCount: Int { failures.count }

    private var verdict: String {
        if failureCount == 0 { return "all of it worked" }
        if error != nil { return "did not begin" }
        let done = rightCount
        return Figures.count(failureCount, "failure")
            + (done > 0 ? "; \(Figures.count(done, "image")) \(done == 1 ? "is" : "are") right" : "")
    }

    /// Images that arrived or were right. Of several steps each sees the same ones again, so that none are added up.
    private var rightCount: Int {
        func count(_ step: StepReport) -> Int {
            step.images.reduce(0) { $1.outcome == .failed ? $0 : $0 + $1.imageCount }
        }
        let copies = steps.filter { !$0.kind.isCheck }
        guard !copies.isEmpty else { return steps.map(count).max() ?? 0 }
        let found = steps.filter(\.kind.isCheck).flatMap(\.failures).count
        return max(0, (copies.map(count).max() ?? 0) - found)
    }

    private var header: HTML {
        let state = failureCount == 0 ? "good" : exitCode == 3 ? "partial" : "bad"
        return """
            <header>
            <p class="kind">Lifeboat run</p>
            <h1>\(name)</h1>
            <p class="verdict \(state)"><span aria-hidden="true">\(failureCount == 0 ? "✓" : "!")</span> \(verdict)</p>
            <p class="when"><time datetime="\(Figures.instant(began))">\(moment)</time> · \(Figures.time(seconds)) · \
            \(Figures.count(steps.count, "step"))</p>
            </header>
            """
    }

    private var totals: HTML {
        let copied = steps.filter { !$0.kind.isCheck }
        let verified = steps.filter { $0.kind == .verify }
        let images = copied.flatMap(\.images)
        let requests = steps.reduce(0) { $0 + $1.requests.values.reduce(0, +) }
        let retries = self.images.reduce(0) { $0 + $1.retries }
        var tiles: [HTML] = []
        if !copied.isEmpty {
            tiles += [
                tile("\(images.count { $0.outcome == .done })", "images moved"),
                tile("\(images.count { $0.outcome == .alreadyThere })", "images already there"),
                tile(Figures.bytes(copied.reduce(0) { $0 + $1.bytesMoved }), "read from sources"),
                tile(Figures.bytes(images.reduce(0) { $0 + $1.bytesShared }), "saved by sharing"),
                tile(Figures.bytes(copied.reduce(0) { $0 + $1.bytesTrusted }), "held by targets, by their word"),
            ]
        }
        if !verified.isEmpty || copied.isEmpty {
            tiles.append(tile(Figures.bytes(verified.reduce(0) { $0 + $1.bytesMoved }), "read to verify"))
        }
        tiles.append(tile("\(requests)", retries == 0 ? "requests" : "requests, \(retries) things tried again"))
        tiles.append(tile("\(failureCount)", "failures", state: failureCount == 0 ? "" : "bad"))
        return "<section class=\"tiles\" aria-label=\"Totals\">\(tiles)</section>"
    }

    private func tile(_ figure: String, _ label: String, state: String = "") -> HTML {
        "<div class=\"tile \(state)\"><b>\(figure)</b><span>\(label)</span></div>"
    }

    // MARK: Certificates

    private var certificates: HTML {
        let compared = steps.filter { $0.comparison != nil }
        return HTML(compared.compactMap { step in step.comparison.map { certificate(step, $0) } })
    }

    private func certificate(_ step: StepReport, _ comparison: Comparison) -> HTML {
        let isSound = step.failures.isEmpty
        let differences: HTML =
            comparison.differences.isEmpty
            ? ""
            : """
            <ul class="names">\(comparison.differences.prefix(Report.failureRows).map(line))</ul>\
            \(more(comparison.differences.count - Report.failureRows, "difference"))
            """
        let extra: HTML =
            comparison.extra.isEmpty
            ? ""
            : """
            <details><summary>\(Figures.count(comparison.extra.count, "name")) more at \(comparison.compared) \
            that \(comparison.listed) does not have: no difference, for your information</summary>
            <ul class="names">\(comparison.extra.prefix(Report.failureRows).map { "<li><code>\($0)</code></li>" as HTML })</ul>\
            \(more(comparison.extra.count - Report.failureRows, "name"))</details>
            """
        return """
            <section class="certificate \(isSound ? "good" : "bad")">
            <h2>Certificate <small>\(step.name)</small></h2>
            <p class="statement">\(statement(step, comparison))</p>
            <dl>
            <div><dt>should be, \(comparison.listed)</dt><dd>\(Figures.count(comparison.listedCount, "name"))</dd>\
            <dd><code>\(comparison.listedDigest?.description ?? "")</code></dd></div>
            <div><dt>is, \(comparison.compared)</dt><dd>\(Figures.count(comparison.comparedCount, "name"))</dd>\
            <dd><code>\(comparison.comparedDigest?.description ?? "")</code></dd></div>
            </dl>
            <p class="note">Each digest is over the sorted list of repository, tag and digest of its side.</p>
            \(differences)\(extra)
            </section>
            """
    }

    private func statement(_ step: StepReport, _ comparison: Comparison) -> HTML {
        let reread: HTML =
            comparison.reread.map {
                " Every byte of \(Figures.count($0.images, "image")) was read again: \(Figures.bytes($0.bytes))."
            } ?? ""
        if step.failures.isEmpty {
            return """
                \(comparison.compared) holds the same \(Figures.count(comparison.same, "image")) as \
                \(comparison.listed), digest for digest.\(reread)
                """
        }
        return """
            \(Figures.count(comparison.same, "image")) of \(comparison.listedCount) \
            \(comparison.same == 1 ? "is" : "are") the same; \
            \(Figures.count(comparison.differences.count, "difference")).\(reread)
            """
    }

    private func line(_ difference: Comparison.Difference) -> HTML {
        switch difference {
        case .missing(let name, let want):
            "<li><code>\(name)</code> is missing, want <code>\(want.description)</code></li>"
        case .different(let name, let got, let want):
            "<li><code>\(name)</code> is <code>\(got.description)</code>, want <code>\(want.description)</code></li>"
        case .unreadable(let name, let failure): "<li><code>\(name)</code> cannot be read: \(failure.message)</li>"
        }
    }

    private func more(_ count: Int, _ noun: String) -> HTML {
        count > 0 ? "<p class=\"note\">and \(Figures.count(count, noun)) more, all of them in the JSON report</p>" : ""
    }

    // MARK: Failures

    private var failureSection: HTML {
        // What a comparison found stands in its certificate.
        let groups = failureGroups(ofComparisons: false)
        guard !groups.isEmpty else { return "" }
        let parts = groups.map { group -> HTML in
            let hint: HTML = group.advice.map { "<p class=\"hint\"><b>try</b> \($0)</p>" } ?? ""
            let names = group.items.prefix(Report.failureRows).map { item -> HTML in
                let name = item.name.isEmpty ? (item.step.isEmpty ? "the run itself" : "the step itself") : item.name
                return "<li><code>\(name)</code> <small>\(item.step)</small></li>"
            }
            return """
                <article class="failure">
                <h3><span class="tag">\(group.kind.rawValue)</span> \(Figures.count(group.items.count, "failure"))</h3>
                <p class="message">\(group.message)</p>\(hint)
                <details \(group.items.count <= 5 ? "open" : "")><summary>what it concerns</summary>\
                <ul class="names">\(names)</ul>\(more(group.items.count - Report.failureRows, "failure"))</details>
                </article>
                """
        }
        return "<section><h2>Failures by cause</h2>\(parts)</section>"
    }

    // MARK: Steps

    private var stepSection: HTML {
        if steps.isEmpty, error != nil { return "" }
        let rows = steps.map { step -> HTML in
            let notes = step.notes.map { "<p class=\"note\">\($0)</p>" as HTML }
            let archive: HTML = step.archive.map { "<p class=\"note\">id <code>\($0)</code></p>" } ?? ""
            let place: HTML = step.target.isEmpty ? "\(step.source)" : "\(step.source) → \(step.target)"
            return """
                <tr><td><b>\(step.name)</b> <small>\(step.kind.rawValue)</small>\
                <p class="note">\(place)</p>\(archive)\(notes)</td>
                <td class="n">\(step.imagesDone)</td><td class="n">\(step.count(.alreadyThere))</td>\
                <td class="n">\(step.failures.count)</td><td class="n">\(Figures.bytes(step.bytesMoved))</td>\
                <td class="n">\(Figures.time(step.seconds))</td></tr>
                """
        }
        return """
            <section><h2>Steps</h2><div class="scroll"><table>
            <thead><tr><th>step</th><th class="n">done</th><th class="n">there</th><th class="n">failed</th>\
            <th class="n">read</th><th class="n">time</th></tr></thead>
            <tbody>\(rows)</tbody></table></div></section>
            """
    }

    // MARK: Repositories

    private var repositorySection: HTML {
        let all = repositories
        guard let largest = all.map(\.bytes).max() else { return "" }
        let rows = all.prefix(Report.repositoryRows).map { row($0, largest: max(largest, 1)) }
        return """
            <section><h2>Repositories</h2>
            <p class="legend"><span class="moved">moved</span><span class="shared">shared with another image</span>\
            <span class="there">already there</span></p>
            <ul class="bars">\(rows)</ul>
            \(more(all.count - Report.repositoryRows, "repository"))</section>
            """
    }

    private func row(_ totals: RepositoryTotals, largest: Int64) -> HTML {
        func part(_ name: String, _ bytes: Int64) -> HTML {
            guard bytes > 0 else { return "" }
            let thousandths = max(4, Int((Double(bytes) / Double(largest) * 1000).rounded()))
            return "<i class=\"\(name)\" style=\"width:\(thousandths / 10).\(thousandths % 10)%\"></i>"
        }
        var words: [String] = []
        if totals.moved > 0 { words.append("\(Figures.bytes(totals.moved)) moved") }
        if totals.shared > 0 { words.append("\(Figures.bytes(totals.shared)) shared") }
        if totals.there > 0 { words.append("\(Figures.bytes(totals.there)) already there") }
        if totals.alreadyThere > 0 { words.append("\(Figures.count(totals.alreadyThere, "image")) already there") }
        if totals.failed > 0 { words.append("\(totals.failed) failed") }
        let bar: HTML =
            totals.bytes > 0
            ? part("moved", totals.moved) + part("shared", totals.shared) + part("there", totals.there)
            : "<i class=\"nothing\"></i>"
        return """
            <li><code>\(totals.name)</code><div class="bar" role="img" aria-label="\(words.joined(separator: ", "))">\
            \(bar)</div><span>\(words.joined(separator: " · "))</span></li>
            """
    }

    // MARK: Slowest images

    private var slowestSection: HTML {
        let copied = steps.filter { !$0.kind.isCheck }
        let slowest = (copied.isEmpty ? steps : copied).flatMap(\.images).filter { $0.seconds > 0 }.sorted {
            $0.seconds > $1.seconds
        }.prefix(Report.imageRows)
        guard !slowest.isEmpty else { return "" }
        let rows = slowest.map { image -> HTML in
            """
            <tr><td><code>\(image.source)</code></td><td class="n">\(Figures.time(image.seconds))</td>\
            <td class="n">\(Figures.bytes(image.bytesMoved))</td><td class="n">\(image.retries)</td></tr>
            """
        }
        return """
            <section><h2>Slowest images</h2><div class="scroll"><table>
            <thead><tr><th>image</th><th class="n">time</th><th class="n">read</th><th class="n">retries</th></tr></thead>
            <tbody>\(rows)</tbody></table></div>
            <p class="note">Images move at the same time: their times overlap.</p></section>
            """
    }
}
