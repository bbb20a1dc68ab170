import OCI

extension Report {
    /// Each target of steps that have several, by itself.
    var targetSection: HTML {
        let parts = steps.filter { !$0.targets.isEmpty }.map { step -> HTML in
            let rows = step.targets.map { target -> HTML in
                let archive: HTML = target.archive.map { "<p class=\"note\">id <code>\($0)</code></p>" } ?? ""
                let error: HTML = target.error.map { "<p class=\"note\">\($0.message)</p>" } ?? ""
                return """
                    <tr><td><b>\(target.target)</b>\(archive)\(error)</td>
                    <td class="n">\(target.done)</td><td class="n">\(target.alreadyThere)</td>\
                    <td class="n">\(target.failed)</td><td class="n">\(Figures.bytes(target.bytesTrusted))</td></tr>
                    """
            }
            return """
                <section><h2>Targets <small>\(step.name)</small></h2><div class="scroll"><table>
                <thead><tr><th>target</th><th class="n">done</th><th class="n">there</th><th class="n">failed</th>\
                <th class="n">held, by its word</th></tr></thead>
                <tbody>\(rows)</tbody></table></div></section>
                """
        }
        return HTML(parts)
    }
}
