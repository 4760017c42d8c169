"use strict";
/* The list of events: filters, the one that is looked at, and only the rows in sight in the document. */
const GROUP = { step_output: "output", step_progress: "progress" };
function groups() { return new Set([...document.querySelectorAll("#tools [data-group]")].filter((b) => b.getAttribute("aria-pressed") === "true").map((b) => b.dataset.group)); }
let allowed = groups(), wantedNode = "", wantedText = "";
function matches(event) {
  if (event.event_type === "gap") return true;
  if (!allowed.has(GROUP[event.event_type] || "life")) return false;
  if (wantedNode && event.step_id !== wantedNode && !(members.has(wantedNode) && members.get(wantedNode).has(event.step_id))) return false;
  return !wantedText || (event.event_type + " " + (event.step_id || "") + " " + JSON.stringify(event.data)).toLowerCase().includes(wantedText);
}
function refilter() { filtered = run ? run.events.filter(matches) : []; }
function filterChanged() {
  allowed = groups(); wantedNode = $("by-node").value; wantedText = $("search").value.trim().toLowerCase();
  refilter();
  frozen = frozen && filtered.slice(); stick = true; dirty = true;
}
for (const button of document.querySelectorAll("#tools [data-group]"))
  button.addEventListener("click", () => { button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true")); filterChanged(); });
$("by-node").addEventListener("change", filterChanged);
$("search").addEventListener("input", filterChanged);
$("pause").addEventListener("click", () => {
  frozen = frozen ? null : filtered.slice();
  $("pause").setAttribute("aria-pressed", String(Boolean(frozen))); put($("pause"), frozen ? "Resume" : "Pause");
  if (!frozen) stick = true;
  dirty = true;
});
$("newest").addEventListener("click", () => { stick = true; dirty = true; });

const ROW = 27, pool = [];
function tone(event) {
  const type = event.event_type;
  if (type === "gap" || type === "pipeline_cancelled") return "warn";
  if (type === "step_output") return "out";
  if (type.endsWith("_error")) return "bad";
  return type.endsWith("_complete") ? "good" : "";
}
function summary(event) {
  const data = event.data;
  if (event.event_type === "step_progress") return (data.percentage === null || data.percentage === undefined ? "" : Math.round(data.percentage) + " %  ") + (data.message || "");
  if (data && data.error && data.error.message && event.event_type !== "step_output") return data.error.message;
  if (event.event_type === "step_output" && data && TALKS.has(data.type)) return data.type + "  " + inShort(data);
  if (event.event_type === "step_start") return "";
  if (event.event_type === "input_requested") return cut(String(data.message), 240);
  if (event.event_type === "input_received") return show(data.value, 240) + (data.by ? "  by " + data.by : "");
  if (event.event_type === "step_complete") return [data.skipped ? "skipped" : data.count ? number(data.count) + (data.count === 1 ? " element" : " elements") : "", "in " + brief(data.duration_ms), data.output ? show(data.output, 200) : ""].filter(Boolean).join("  ");
  if (event.event_type === "pipeline_complete") return "in " + brief(data.duration_ms) + "  " + show(data.result, 200);
  return show(data, 240);
}
function inShort(said) {
  switch (said.type) {
    case "tool_call": return said.name + " " + given(said.arguments);
    case "tool_output": return said.channel + ": " + cut(said.text || "", 240) + (typeof said.percentage === "number" ? " " + Math.round(said.percentage) + " %" : "");
    case "tool_result": return said.name + (said.error ? " ✗ " : " ✓ ") + outcome({ error: said.error, value: said.result, brief: said.brief });
    case "turn": return String(said.turn) + (said.finish_reason ? " " + said.finish_reason : "");
    case "done": return [said.finish_reason, cut(said.text || "", 200)].filter(Boolean).join(": ");
    default: return cut(show(said.text ?? said.content ?? said.message ?? said), 240);
  }
}
function paintList() {
  const list = $("list"), shown = frozen || filtered, height = list.clientHeight;
  const full = shown.length * ROW;
  const rows = $("rows");
  if (rows.full !== full) { rows.full = full; rows.style.height = full + "px"; }
  if (stick && !frozen) list.scrollTop = full;
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4), last = Math.min(shown.length, Math.ceil((list.scrollTop + height) / ROW) + 4);
  while (pool.length < last - first) {
    const row = el("div", "ev"); row.setAttribute("role", "option");
    for (const name of ["seq", "time", "kind", "step", "sum"]) row.append(row[name] = el("span", name));
    row.addEventListener("click", () => pick(row.index));
    pool.push(row); rows.append(row);
  }
  pool.forEach((row, i) => {
    const index = first + i, event = index < last ? shown[index] : null;
    if (!event) { row.hidden = true; row.event = null; return; }
    row.hidden = false; row.index = index;
    row.style.top = index * ROW + "px";
    const selected = String(event === chosen);
    if (row.getAttribute("aria-selected") !== selected) row.setAttribute("aria-selected", selected);
    if (row.event === event) return;
    row.event = event; row.id = "ev-" + index; row.dataset.tone = tone(event);
    put(row.seq, event.sequence === null ? "–" : String(event.sequence));
    put(row.time, (event.timestamp || "").slice(11, 23));
    put(row.kind, event.event_type); put(row.step, event.step_id || ""); put(row.sum, summary(event));
  });
  const hidden = run ? run.total - filtered.length : 0;
  const notes = [number(run ? run.total : 0) + " received"];
  if (run && run.dropped) notes.push("the first " + number(run.dropped) + " are no longer held here");
  if (hidden > 0 && filtered.length < (run ? run.events.length : 0)) notes.push(number(filtered.length) + " match");
  if (frozen) notes.push("paused, " + number(Math.max(0, filtered.length - frozen.length)) + " new");
  put($("events-note"), notes.join(" · "));
  $("newest").hidden = Boolean(frozen) || stick;
}
function pick(index) {
  const shown = frozen || filtered;
  if (index < 0 || index >= shown.length) return;
  chosen = chosen === shown[index] ? null : shown[index];
  $("detail").hidden = !chosen;
  if (chosen) { stick = false; put($("detail"), cut(JSON.stringify(chosen, null, 2), 100000)); $("list").setAttribute("aria-activedescendant", "ev-" + index); }
  dirty = true;
}
$("list").addEventListener("scroll", () => {
  const list = $("list");
  const bottom = list.scrollTop + list.clientHeight >= list.scrollHeight - ROW;
  if (bottom !== stick) { stick = bottom; }
  dirty = true;
}, { passive: true });
$("list").addEventListener("keydown", (event) => {
  const shown = frozen || filtered, at = chosen ? shown.indexOf(chosen) : -1;
  const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? shown.length - 1 : at - 1, Home: 0, End: shown.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
  if (event.key === "Escape" && chosen) { pick(at); return; }
  if (to === undefined || !shown.length) return;
  event.preventDefault();
  const index = Math.max(0, Math.min(shown.length - 1, to));
  if (shown[index] !== chosen) pick(index);
  const list = $("list");
  if (index * ROW < list.scrollTop) list.scrollTop = index * ROW;
  else if ((index + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (index + 1) * ROW - list.clientHeight;
});
