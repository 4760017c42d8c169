"use strict";
/* A card for each output: text, numbers over time, bars, or the last lines, by what its elements are. */
const cards = new Map(), bars = new Map();
function pairs(value) { // [[name, number], …] or [{name|word|label|key, count|value}, …]
  if (!Array.isArray(value) || !value.length || value.length > 40) return null;
  const found = [];
  for (const item of value) {
    if (Array.isArray(item) && item.length === 2 && typeof item[0] === "string" && typeof item[1] === "number") found.push(item);
    else if (item && typeof item === "object" && !Array.isArray(item)) {
      const name = item.name ?? item.word ?? item.label ?? item.key, count = item.count ?? item.value;
      if (typeof name !== "string" || typeof count !== "number") return null;
      found.push([name, count]);
    } else return null;
  }
  return found;
}
function paintCard(out) {
  let card = cards.get(out.step);
  if (!card) {
    const box = el("section", "panel card"), head = el("header"), body = el("div", "body");
    const title = el("h3", "", out.step), rate = el("span", "rate num");
    box.setAttribute("aria-label", "Output " + out.step);
    box.dataset.output = out.step;
    head.append(title, rate); box.append(head, body); $("outputs").append(box);
    card = { box, body, rate, shape: "" };
    cards.set(out.step, card);
  }
  if (!out.fresh) return;
  out.fresh = false;
  const talk = out.talk, writing = talk && talk.writing;
  const seconds = (out.at - out.first) / 1000;
  put(card.rate, talk ? [talk.tokens ? number(talk.tokens) + (talk.tokens === 1 ? " token" : " tokens") : "", writing ? "" : talk.summary].filter(Boolean).join(" · ") : number(out.count) + (seconds > 1 ? " · " + number(out.count / seconds) + "/s" : ""));
  const table = !out.talk && pairs(out.value);
  const shape = out.talk ? "talk" : table ? "bars" : out.series.size ? "numbers" : "plain";
  if (card.shape !== shape) { card.shape = shape; card.talk = null; card.body.replaceChildren(); card.parts = new Map(); card.box.classList.toggle("wide", shape === "talk"); if (shape === "talk") $("outputs").insertBefore(card.box, [...$("outputs").children].find((other) => other !== card.box && !other.classList.contains("wide")) || null); }
  ({ talk: paintTalk, bars: paintBars, numbers: paintNumbers, plain: paintPlain })[shape](card, out, table);
}
function paintBars(card, out, table) {
  const most = Math.max(1e-9, ...table.map((pair) => pair[1]));
  if (!card.grid) { card.grid = el("div", "bars"); }
  if (!card.grid.isConnected) card.body.append(card.grid);
  while (card.grid.children.length < table.length * 3) { const meter = el("div", "meter"); meter.append(el("i")); card.grid.append(el("span", "name"), meter, el("span", "num")); }
  while (card.grid.children.length > table.length * 3) card.grid.lastChild.remove();
  table.forEach(([name, count], i) => {
    put(card.grid.children[3 * i], name);
    card.grid.children[3 * i + 1].firstChild.style.transform = "scaleX(" + Math.max(0, count / most) + ")";
    put(card.grid.children[3 * i + 2], number(count));
  });
}
function paintNumbers(card, out) {
  if (!card.grid2) card.grid2 = el("div", "value");
  if (!card.grid2.isConnected) card.body.append(card.grid2);
  const value = out.value, entries = typeof value === "object" && value ? Object.entries(value).slice(0, MAX_KEYS) : [["", value]];
  for (const [key, now] of entries) {
    let row = card.parts.get(key);
    if (!row) {
      if (card.parts.size >= MAX_KEYS) continue;
      row = { now: el("span", "now") };
      card.grid2.append(el("span", "key", key), row.now);
      if (out.series.has(key)) {
        row.line = svg("polyline", {});
        const picture = svg("svg", { viewBox: "0 0 110 24", preserveAspectRatio: "none", "aria-hidden": "true" });
        picture.append(row.line); card.grid2.append(picture);
      } else row.now.classList.add("wide2");
      card.parts.set(key, row);
    }
    put(row.now, typeof now === "number" ? number(now) : show(now, 120));
    const series = out.series.get(key);
    if (row.line && series && series.length > 1) {
      const low = Math.min(...series), range = Math.max(...series) - low || 1, step = 108 / (Math.max(24, series.length) - 1);
      row.line.setAttribute("points", series.map((v, i) => (1 + i * step).toFixed(1) + "," + (22 - ((v - low) / range) * 20).toFixed(1)).join(" "));
    }
  }
}
function paintPlain(card, out) {
  if (!card.plain) card.plain = el("div", "plain");
  if (!card.plain.isConnected) card.body.append(card.plain);
  card.plain.classList.toggle("lines", out.lines.length > 0);
  if (out.lines.length) card.plain.replaceChildren(...out.lines.map((line) => el("div", "", line)));
  if (out.lines.length) card.plain.scrollTop = card.plain.scrollHeight;
  else put(card.plain, show(out.value, 1500));
}
/* what came of a pipeline, or of what published nothing; of other graphs it is the last of their outputs, which is seen */
function paintResult() {
  const shown = run.result !== undefined && run.result !== null && (run.steps || !run.outputs.size);
  $("result").hidden = !shown;
  if (!shown || paintResult.of === run.result) return;
  paintResult.of = run.result;
  const flat = typeof run.result === "object" && !Array.isArray(run.result) && Object.values(run.result).every((each) => typeof each !== "object" || each === null);
  const list = el("div", "facts");
  if (flat) for (const [key, each] of Object.entries(run.result).slice(0, 60)) list.append(el("span", "key", key), el("span", "now", typeof each === "number" ? number(each) : show(each, 2000)));
  $("result-body").replaceChildren(flat ? list : el("pre", "plain", pretty(run.result)));
}
