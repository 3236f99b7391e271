(() => {
  "use strict";
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const MINUS = "\u2212";
  const share = (v, digits = 3) => {
    if (typeof v !== "number") return "–";
    const text = v.toFixed(digits);
    return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", MINUS);
  };
  const change = (v) => (typeof v === "number" && share(v) !== "0.000" && v > 0 ? "+" : "") + share(v);

  // Tooltips: text only, so that no name is ever read as markup.
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const tooltip = (_handler, event, _item, value) => {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.replaceChildren(...Object.entries(value).filter(([, v]) => v !== undefined && v !== "undefined").map(([key, v]) => {
      const row = document.createElement("div");
      const name = document.createElement("span");
      const figure = document.createElement("strong");
      name.textContent = key;
      figure.textContent = v;
      row.append(name, figure);
      return row;
    }));
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 6)) + "px";
    tip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + "px";
  };

  // Charts: the page sets their width, the room for row names and the columns of the legend.
  const views = [];
  const has = (view, name) => name in view.getState({ data: () => false, signals: () => true }).signals;
  const fit = (entry, width) => {
    if (!width || entry.width === width) return;
    entry.width = width;
    // Twice: a chart whose inside is as wide as the whole is to be would see no change.
    entry.view.width(width - 1).width(width).signal("legend_columns", width < 430 ? 1 : width < 560 ? 2 : 3);
    if (entry.rows) entry.view.signal("label_room", Math.round(Math.max(90, Math.min(240, width * 0.34))));
    entry.view.run();
  };
  const sizes = new ResizeObserver((changes) => {
    for (const { target } of changes) fit(target.entry, target.clientWidth);
  });
  const slider = document.getElementById("weight");
  const draw = (element) => {
    if (element.entry) return;
    const view = new vega.View(vega.parse(page.charts[element.dataset.chart]), { renderer: "svg", container: element, logLevel: 1 });
    view.tooltip(tooltip);
    const entry = { view, element, width: 0, rows: has(view, "label_room"), slides: has(view, "lambda_i") };
    element.entry = entry;
    views.push(entry);
    if (entry.slides) {
      if (slider) view.signal("lambda_i", Number(slider.value));
      view.addEventListener("click", (_event, item) => {
        if (item && item.datum && item.datum.i >= 0) show(item.datum.i);
      });
    }
    fit(entry, element.clientWidth || 640);
    element.firstElementChild?.setAttribute("aria-hidden", "true"); // the chart has its words around it
    sizes.observe(element);
  };

  // A chart is drawn when it comes near the window, or its section is opened; all are for print.
  const charts = [...document.querySelectorAll("[data-chart]")];
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target);
    }
    document.documentElement.dataset.ready = "yes";
  }, { rootMargin: "300px" });
  for (const element of charts) near.observe(element);

  // The slider, where the page has one.
  const set = (name, text) => {
    for (const cell of document.querySelectorAll(`[data-out="${name}"]`)) cell.textContent = text;
  };
  const show = (i) => {
    slider.value = i;
    slider.setAttribute("aria-valuetext", "lambda " + page.lambdas[i]);
    set("lambda", "λ\u00a0=\u00a0" + page.lambdas[i]);
    for (const entry of views) if (entry.slides) entry.view.signal("lambda_i", i).run();
    for (const [side, d] of Object.entries(page.directions)) {
      const j = Math.min(i, d.sigma_z.length - 1);
      const less = typeof d.held[0] === "number" && typeof d.held[j] === "number" ? d.held[0] - d.held[j] : null;
      set(side + ":lost", share(less));
      set(side + ":kept", share(d.sigma_z[j]));
      set(side + ":held", share(d.held[j]));
      set(side + ":aligned", share(d.aligned[j]));
      d.targets.forEach((held, row) => {
        const line = document.getElementById(`t-${side}-${row}`);
        line.querySelector("i").style.width = Math.max(0, Math.min(1, held[j] ?? 0)) * 100 + "%";
        const [kept, lost] = line.querySelectorAll(".num");
        kept.textContent = share(held[j]);
        lost.textContent = change(held[j] - held[0]);
      });
    }
  };
  if (slider) {
    slider.addEventListener("input", () => show(Number(slider.value)));
    slider.disabled = false;
    show(Number(slider.value));
  }

  // A link into what is folded opens it.
  const unfold = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let at = target.querySelector(":scope > details") ?? target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) unfold(); // followed before: no hashchange
  });
  unfold();

  // Contents: the section in sight is marked, and its link kept in sight.
  const links = [...document.querySelectorAll("nav.toc a")];
  let current;
  const mark = () => {
    const past = links.filter((link) => document.getElementById(link.hash.slice(1)).getBoundingClientRect().top < innerHeight / 3);
    if (current === past.at(-1)) return;
    current?.removeAttribute("aria-current");
    current = past.at(-1);
    if (!current) return;
    current.setAttribute("aria-current", "true");
    const [box, bar] = [current.getBoundingClientRect(), current.parentElement];
    const frame = bar.getBoundingClientRect();
    if (box.left < frame.left || box.right > frame.right) bar.scrollLeft += box.left - frame.left - 20;
    if (box.top < frame.top || box.bottom > frame.bottom) bar.scrollTop += box.top - frame.top - 40;
  };
  addEventListener("scroll", mark, { passive: true });
  mark();

  // Copy buttons.
  for (const button of document.querySelectorAll(".code button")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const code = button.parentElement.querySelector("code");
      const done = () => {
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      };
      const select = () => {
        getSelection().selectAllChildren(code);
        if (document.execCommand("copy")) done();
      };
      if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, select);
      else select();
    });
  }

  // Print: everything open, charts as wide as the paper, or as their share of it.
  let closed = [];
  const sheet = ({ element }) => {
    const grid = element.closest(".grid");
    const columns = grid ? Number(getComputedStyle(grid).getPropertyValue("--sheet")) : 1;
    return Math.floor((680 - 22 * (columns - 1)) / columns);
  };
  const print = (on) => {
    if (on) {
      const shut = [...document.querySelectorAll("details:not([open])")];
      shut.forEach((d) => (d.open = true));
      closed.push(...shut);
      charts.forEach(draw);
      for (const entry of views) fit(entry, sheet(entry));
    } else {
      closed.forEach((d) => (d.open = false));
      closed = [];
      for (const entry of views) fit(entry, entry.element.clientWidth);
    }
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  if (!charts.length) document.documentElement.dataset.ready = "yes";
})();
