(() => {
  "use strict";
  // The leaderboard, sorted within its groups by a click on a header; what has no figure stays last.
  const board = document.getElementById("board");
  if (!board) return;
  const heads = [...board.querySelectorAll("th[data-column]")];
  heads.forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const place = Number(head.dataset.column);
      const next = head.getAttribute("aria-sort") === head.dataset.start
        ? { ascending: "descending", descending: "ascending" }[head.dataset.start] : head.dataset.start;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const value = (line) => Number(line.cells[place].dataset.sort || NaN);
      for (const body of board.tBodies) {
        const lines = [...body.rows].filter((line) => !line.classList.contains("group"));
        lines.sort((a, b) => {
          const [u, v] = [value(a), value(b)];
          return Number.isNaN(u) - Number.isNaN(v) || sign * (u - v) || 0;
        });
        body.append(...lines);
      }
    });
  });
  if (heads.length) heads[0].setAttribute("aria-sort", "ascending");
})();
