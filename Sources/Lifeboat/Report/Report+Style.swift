extension Report {
    /// The look of the page. Colours have a contrast of at least 4.5 to 1 as text, in light and in dark.
    static let style: HTML = """

        :root { --ground: #f6f7f9; --card: #ffffff; --ink: #17202b; --soft: #566374; --line: #dde2e9;
          --moved: #1769c2; --shared: #7aa7db; --there: #b9c3cf; --good: #17734a; --good-ground: #e5f4ec;
          --bad: #b3261e; --bad-ground: #fbe9e7; --partial: #8a5200; --partial-ground: #fdf1dc; }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #10151b; --card: #19212a; --ink: #e7ecf2; --soft: #9fadbd; --line: #2c3743;
            --moved: #5aa2f2; --shared: #35679f; --there: #495765; --good: #6fd3a2; --good-ground: #14342a;
            --bad: #ff9b90; --bad-ground: #3d1c1b; --partial: #f2bd6b; --partial-ground: #3a2a12; } }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body { margin: 0; background: var(--ground); color: var(--ink);
          font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
        main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 1rem; }
        footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem 2.5rem; color: var(--soft); font-size: .85rem; }
        h1 { margin: 0; font-size: 2rem; line-height: 1.2; letter-spacing: -.02em; overflow-wrap: anywhere; }
        h2 { margin: 0 0 .75rem; font-size: 1.15rem; letter-spacing: -.01em; }
        h3 { margin: 0 0 .35rem; font-size: 1rem; }
        p { margin: .35rem 0; overflow-wrap: anywhere; }
        small { color: var(--soft); font-weight: 400; }
        code { font: .85em/1.45 ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace;
          overflow-wrap: anywhere; }
        section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; margin: 1rem 0;
          padding: 1.25rem; }
        header { padding: 0 .25rem .75rem; }
        .kind { margin: 0; color: var(--soft); font-size: .8rem; text-transform: uppercase; letter-spacing: .08em; }
        .verdict { display: inline-block; margin: .75rem 0 .25rem; padding: .25rem .8rem; border-radius: 99px;
          font-weight: 600; }
        .verdict.good { color: var(--good); background: var(--good-ground); }
        .verdict.bad { color: var(--bad); background: var(--bad-ground); }
        .verdict.partial { color: var(--partial); background: var(--partial-ground); }
        .when, .note, .legend, .bars span { color: var(--soft); font-size: .9rem; }
        .tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); padding: 0; overflow: hidden; }
        .tile { padding: 1rem 1.25rem; box-shadow: 0 0 0 1px var(--line); }
        .tile b { display: block; font-size: 1.5rem; line-height: 1.25; font-variant-numeric: tabular-nums;
          letter-spacing: -.02em; }
        .tile span { color: var(--soft); font-size: .85rem; }
        .tile.bad b { color: var(--bad); }
        .certificate { border-left: 4px solid var(--good); }
        .certificate.bad { border-left-color: var(--bad); }
        .statement { font-size: 1.05rem; }
        dl { margin: .75rem 0; display: grid; gap: .5rem; }
        dl div { display: grid; grid-template-columns: minmax(0, 14rem) 6rem minmax(0, 1fr); gap: .25rem 1rem; }
        dt { color: var(--soft); overflow-wrap: anywhere; }
        dd { margin: 0; font-variant-numeric: tabular-nums; }
        .failure + .failure { border-top: 1px solid var(--line); margin-top: 1rem; padding-top: 1rem; }
        .tag { display: inline-block; padding: 0 .5rem; border-radius: 6px; font-size: .85rem; color: var(--bad);
          background: var(--bad-ground); }
        .message { font-weight: 500; }
        .hint b { color: var(--good); font-weight: 600; }
        details { margin-top: .5rem; }
        summary { cursor: pointer; color: var(--soft); }
        .names { margin: .5rem 0 0; padding-left: 1.1rem; }
        .names li { overflow-wrap: anywhere; }
        .scroll { overflow-x: auto; }
        table { width: 100%; border-collapse: collapse; font-size: .95rem; }
        th { text-align: left; color: var(--soft); font-size: .8rem; font-weight: 500; }
        th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
        th:first-child, td:first-child { min-width: 13rem; }
        tr:last-child td { border-bottom: 0; }
        .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding-right: 0;
          padding-left: .75rem; }
        .legend span { margin-right: 1.1rem; white-space: nowrap; }
        .legend span::before { content: ""; display: inline-block; width: .7rem; height: .7rem; margin-right: .4rem;
          border-radius: 3px; background: var(--there); }
        .legend .moved::before, i.moved { background: var(--moved); }
        .legend .shared::before, i.shared { background: var(--shared); }
        i.there { background: var(--there); }
        .bars { list-style: none; margin: 0; padding: 0; display: grid; gap: .8rem; }
        .bar { display: flex; gap: 2px; height: .75rem; margin: .2rem 0 .1rem; }
        .bar i { display: block; min-width: 2px; border-radius: 3px; }
        i.nothing { width: 100%; height: 2px; align-self: center; background: var(--line); }
        @media (max-width: 40rem) {
          main { padding-top: 1.5rem; }
          .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
          .tile { padding: .8rem 1rem; }
          section { padding: 1rem; }
          dl div { grid-template-columns: 1fr; gap: 0; }
          h1 { font-size: 1.6rem; } }
        @media print { body { background: none; } section { break-inside: avoid; } }

        """
}
