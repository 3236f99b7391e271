// Every table: its rows as CSV or LaTeX, and a filter where it is long.
(() => {
  "use strict";
  const LONG = 12;
  const words = (cell) => {
    const copy = cell.cloneNode(true);
    for (const part of copy.querySelectorAll("details, button")) part.remove();
    for (const line of copy.querySelectorAll("br")) line.replaceWith(" ");
    return copy.textContent.replace(/\s+/g, " ").trim();
  };
  const cells = (row) => [...row.cells].flatMap((cell) => [words(cell), ...Array(cell.colSpan - 1).fill("")]);
  const rows = (table) => [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => !row.hidden);
  const head = (table) => (table.tHead ? cells(table.tHead.rows[table.tHead.rows.length - 1]) : []);

  // A figure with its interval becomes three columns; minus signs are those that programs read.
  const FIGURE = /^(\S+) \((\S+) to (\S+)\)$/;
  const plain = (text) => text.replace(/\u2212/g, "-").replace(/^–$/, "").replace(/^(-?\d{1,3})(,\d{3})+(\.\d+)?$/, (found) => found.replace(/,/g, ""));
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const csv = (table) => {
    const [names, body] = [head(table), rows(table).map(cells)];
    const wide = Math.max(names.length, ...body.map((row) => row.length));
    const split = Array.from({ length: wide }, (_, j) => body.some((row) => FIGURE.test(row[j] ?? "")));
    const spread = (row, parts) => Array.from({ length: wide }, (_, j) => (split[j] ? parts(row[j] ?? "") : [row[j] ?? ""])).flat();
    const figure = (text) => FIGURE.exec(text)?.slice(1) ?? [text, "", ""];
    const lines = body.map((row) => spread(row, figure));
    if (names.length) lines.unshift(spread(names, (name) => [name, `${name} low`, `${name} high`]));
    return lines.map((line) => line.map((text) => quoted(plain(text))).join(",")).join("\n") + "\n";
  };

  const SIGNS = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\u2212": "$-$", "–": "--", "λ": "$\\lambda$", "σ": "$\\sigma$", "ρ": "$\\rho$",
    "→": "$\\to$", "∞": "$\\infty$", "≥": "$\\geq$", "≤": "$\\leq$", "×": "$\\times$", "²": "$^2$", "…": "\\ldots{}", "\u00a0": "~", "“": "``", "”": "''", "’": "'",
  };
  const tex = (text) => text.replace(/[\\~^\u2212–λσρ→∞≥≤×²…\u00a0“”’]|[&%$#_{}]/g, (sign) => SIGNS[sign] ?? `\\${sign}`);
  const latex = (table) => {
    const [names, body] = [head(table), rows(table)];
    const first = body.find((row) => row.cells.length);
    const columns = first ? [...first.cells].map((cell) => (cell.classList.contains("num") ? "r" : "l").repeat(cell.colSpan)).join("") : "l".repeat(names.length);
    const line = (row) => "  " + row.map(tex).join(" & ") + " \\\\";
    const top = names.length ? [line(names), "  \\midrule"] : [];
    const caption = table.caption ? [`  \\caption{${tex(words(table.caption))}}`] : [];
    return [
      "% \\usepackage{booktabs}", "\\begin{table}", "  \\centering", ...caption, `  \\begin{tabular}{${columns}}`, "  \\toprule", ...top,
      ...body.map((row) => line(cells(row))), "  \\bottomrule", "  \\end{tabular}", "\\end{table}", "",
    ].join("\n");
  };

  const title = (table) => table.closest(".scroll")?.getAttribute("aria-label") || (table.caption ? words(table.caption) : "table");
  const save = (table, ending, text) => {
    const link = document.createElement("a");
    link.download = title(table).toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) + ending;
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const button = (table, name, ending, write) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = name;
    made.setAttribute("aria-label", `${name} of ${title(table)}`);
    made.addEventListener("click", () => save(table, ending, write(table)));
    return made;
  };
  const filter = (table, all) => {
    const field = document.createElement("input");
    const shown = document.createElement("output");
    field.type = "search";
    field.placeholder = `Filter ${all.length.toLocaleString("en")} rows`;
    field.setAttribute("aria-label", `Filter ${title(table)}`);
    let texts;
    field.addEventListener("input", () => {
      texts ??= all.map((row) => row.textContent.toLowerCase());
      const wanted = field.value.toLowerCase().trim();
      let count = 0;
      all.forEach((row, k) => {
        row.hidden = !texts[k].includes(wanted);
        count += !row.hidden;
      });
      shown.textContent = wanted ? `${count.toLocaleString("en")} of ${all.length.toLocaleString("en")}` : "";
    });
    return [field, shown];
  };
  for (const table of document.querySelectorAll("main table")) {
    const bar = document.createElement("div");
    const all = rows(table);
    bar.className = "tools";
    if (all.length >= LONG) bar.append(...filter(table, all));
    bar.append(button(table, "CSV", ".csv", csv), button(table, "LaTeX", ".tex", latex));
    (table.closest(".scroll") ?? table).before(bar);
  }
})();
