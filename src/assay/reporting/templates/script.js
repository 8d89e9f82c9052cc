"use strict";
(() => {
  const root = document.documentElement;
  const tip = document.getElementById("tip");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const parsed = new WeakMap();
  root.classList.add("js");

  // The theme: the reader's system decides until the button is used.
  const button = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`);
    button.removeAttribute("aria-pressed");
  };
  const stored = (value) => {
    try { // A page opened from a file may be refused its storage.
      if (value) localStorage.setItem("assay-theme", value);
      return localStorage.getItem("assay-theme");
    } catch { return null; }
  };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  label();
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    stored(root.dataset.theme);
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);

  // Tooltips. Data is only ever set as text.
  const show = (text, x, y) => {
    if (tip.textContent !== text) tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth - 8 ? x - 14 - box.width : x + 14;
    const above = y + 16 + box.height > innerHeight - 8 ? y - 12 - box.height : y + 16;
    tip.style.transform = `translate(${Math.max(8, left)}px,${Math.max(8, above)}px)`;
  };
  const hide = () => {
    tip.hidden = true;
    all(".ring,.cursor").forEach((mark) => { mark.hidden = true; });
  };
  const number = (value, unit) => {
    const size = Math.abs(value);
    const text = value.toLocaleString("en-US", size >= 1 || size === 0
      ? { maximumFractionDigits: 2, minimumFractionDigits: unit.before ? 2 : 0 }
      : { maximumSignificantDigits: 3 }).replace("-", "−");
    return unit.before ? text.replace(/^(−?)/, `$1${unit.before}`) : text + (unit.after ? `\u202f${unit.after}` : "");
  };
  const read = (element, name) => {
    if (!parsed.has(element)) parsed.set(element, {});
    const kept = parsed.get(element);
    return kept[name] ??= JSON.parse(element.dataset[name]);
  };

  const points = (area) => {
    if (!parsed.has(area)) {
      const data = JSON.parse(document.getElementById(`points-${area.dataset.points}`).textContent);
      const places = all(".marks > *", area).map((mark) => [
        parseFloat(mark.getAttribute("cx") ?? mark.getAttribute("x")),
        parseFloat(mark.getAttribute("cy") ?? mark.getAttribute("y")),
      ]);
      const order = places.map((_, index) => index).sort((a, b) => places[a][0] - places[b][0]);
      parsed.set(area, { ...data, places, order });
    }
    return parsed.get(area);
  };
  const point = (area, index) => {
    const { rows, unit, places } = points(area);
    const [id, truth, guess] = rows[index];
    const [x, y] = places[index];
    const box = area.getBoundingClientRect();
    const ring = area.querySelector(".ring");
    ring.hidden = false;
    ring.style.left = `${x}%`;
    ring.style.top = `${y}%`;
    const error = Math.abs(guess - truth);
    const part = truth ? ` (${(100 * error / Math.abs(truth)).toFixed(0)}\u202f%)` : "";
    area.dataset.at = index;
    show(`${id}\ntruth ${number(truth, unit)}\nprediction ${number(guess, unit)}\nerror ${number(error, unit)}${part}`,
      box.left + x / 100 * box.width, box.top + y / 100 * box.height);
  };
  const nearest = (area, event) => {
    const box = area.getBoundingClientRect();
    const { places } = points(area);
    let best = -1, least = 30 * 30;
    places.forEach(([x, y], index) => {
      const dx = x / 100 * box.width - (event.clientX - box.left);
      const dy = y / 100 * box.height - (event.clientY - box.top);
      if (dx * dx + dy * dy < least) { least = dx * dx + dy * dy; best = index; }
    });
    if (best >= 0) point(area, best); else hide();
  };
  const along = (area, index) => {
    const tips = read(area, "tips");
    const place = area.dataset.xs ? read(area, "xs")[index] : 100 * (index + 0.5) / tips.length;
    const box = area.getBoundingClientRect();
    const cursor = area.querySelector(".cursor");
    if (cursor) { cursor.hidden = false; cursor.style.left = `${place}%`; }
    area.dataset.at = index;
    return [tips[index], box.left + place / 100 * box.width, box.top + box.height / 3];
  };
  const closest = (area, event) => {
    const box = area.getBoundingClientRect();
    const place = 100 * (event.clientX - box.left) / box.width;
    const count = read(area, "tips").length;
    if (!area.dataset.xs) return Math.min(count - 1, Math.max(0, Math.floor(place / 100 * count)));
    const xs = read(area, "xs");
    return xs.reduce((best, x, index) => Math.abs(x - place) < Math.abs(xs[best] - place) ? index : best, 0);
  };
  const cell = (td) => {
    const row = td.parentElement;
    const table = row.closest("table");
    const heading = table.tHead.rows[0].cells[td.cellIndex].textContent;
    const total = row.cells[row.cells.length - 2].textContent;
    const share = (100 * parseFloat(td.style.getPropertyValue("--s"))).toFixed(1);
    return `truth ${row.dataset.l}\nprediction ${heading}\n${td.textContent && td.querySelector("b").textContent} of ${total} rows (${share}\u202f%)`;
  };
  const over = (event) => {
    const target = event.target instanceof Element ? event.target.closest("[data-tip],[data-tips],[data-points],.confusion td[style]") : null;
    if (!target) { hide(); return; }
    if (target.dataset.points) nearest(target, event);
    else if (target.dataset.tips) {
      const [text, , y] = along(target, closest(target, event));
      show(text, event.clientX, target.dataset.xs ? y : event.clientY);
    } else show(target.dataset.tip ?? cell(target), event.clientX, event.clientY);
  };
  document.addEventListener("pointermove", over);
  document.addEventListener("pointerdown", over);
  document.addEventListener("pointerleave", hide);
  addEventListener("scroll", hide, { passive: true });
  all(".area[tabindex]").forEach((area) => {
    area.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      const order = area.dataset.points ? points(area).order : read(area, "tips").map((_, index) => index);
      const now = area.dataset.at === undefined ? (step > 0 ? -1 : order.length) : order.indexOf(Number(area.dataset.at));
      const next = order[Math.min(order.length - 1, Math.max(0, now + step))];
      if (area.dataset.points) point(area, next); else show(...along(area, next));
    });
    area.addEventListener("blur", hide);
  });

  // One model at a time.
  const select = document.getElementById("model");
  if (select) {
    const choose = () => all(".panel").forEach((panel) => { panel.hidden = panel.id !== select.value; });
    select.addEventListener("change", choose);
    choose();
  }

  // Long tables show their first rows until asked for more.
  all("table.foldable").forEach((table) => {
    const keep = Number(table.dataset.keep);
    const rows = [...table.tBodies[0].rows];
    if (rows.length <= keep + 3) return;
    const fold = () => [...table.tBodies[0].rows].forEach((row, index) => row.classList.toggle("over", index >= keep));
    const more = document.createElement("button");
    more.type = "button";
    more.className = "unfold";
    const word = () => { more.textContent = table.classList.contains("folded") ? `Show all ${rows.length}` : `Show the first ${keep}`; };
    more.addEventListener("click", () => { table.classList.toggle("folded"); word(); });
    table.addEventListener("sorted", fold);
    table.classList.add("folded");
    fold();
    word();
    (table.closest(".scroll") ?? table).after(more);
  });

  // Search boxes.
  all("[data-filter]").forEach((input) => {
    const list = document.getElementById(input.dataset.filter);
    const none = (list.closest("section") ?? document).querySelector(`#${CSS.escape(list.id)} .nothing, table + .nothing, .unfold + .nothing`);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      const table = list.closest("table.foldable");
      if (table) table.classList.toggle("folded", !wanted && list.children.length > Number(table.dataset.keep) + 3);
      let found = 0;
      all(".item", list).forEach((item) => {
        const hit = item.textContent.toLowerCase().includes(wanted);
        item.hidden = !hit;
        found += hit;
      });
      if (none) none.hidden = found > 0;
    });
  });

  // Tables sorted by their headings.
  all("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    const value = (row, index) => {
      const td = row.cells[index];
      if (td.dataset.v !== undefined) return Number(td.dataset.v);
      const plain = td.textContent.replace(/[,\s\u202f]/g, "");
      const known = parseFloat(plain.replace("−", "-").replace(/^\$/, ""));
      return index && !Number.isNaN(known) ? known * (plain.endsWith("min") ? 60 : 1) : index ? Infinity : td.textContent;
    };
    heads.forEach((head, index) => {
      const press = document.createElement("button");
      press.type = "button";
      press.append(...head.childNodes);
      head.append(press);
      press.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") !== "ascending"
          : !head.textContent.includes("higher is better");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [x, y] = [value(a, index), value(b, index)];
          if (x === y) return 0;
          if (x === Infinity || y === Infinity) return x === Infinity ? 1 : -1;
          return (x < y ? -1 : 1) * (up ? 1 : -1);
        });
        table.tBodies[0].append(...rows);
        table.dispatchEvent(new Event("sorted"));
      });
    });
  });

  // The list of contents follows the page.
  const links = all(".rail a");
  const parts = links.map((link) => document.querySelector(link.getAttribute("href")));
  let waiting = false;
  const follow = () => {
    waiting = false;
    let now = 0;
    parts.forEach((part, index) => { if (index && part.getBoundingClientRect().top < Math.min(260, innerHeight * 0.35)) now = index; });
    links.forEach((link, index) => index === now ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
  };
  addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(follow); } }, { passive: true });
  follow();

  // On paper every fold is open.
  addEventListener("beforeprint", () => all("table.folded").forEach((table) => table.classList.remove("folded")));
})();
