"use strict";
/* Which execution is looked at, what of it is followed, and the plan it is drawn from. */
let run = null, records = [], dirty = true, filtered = [], frozen = null, chosen = null, stick = true, planFor = "", said = "";
/* after these what can be answered, or who takes what is sent, may be another */
const ASKS = new Set(["pipeline_start", "step_start", "step_complete", "step_error", "input_requested", "input_received"]);
const feed = new Feed((event) => { if (run && run.take(event)) arrived(event); }, (state, why) => { said = why || ""; if (state === "live") { lineIsBack(); lookAgain(); } dirty = true; });

function arrived(event) {
  if (run.rebuilt) { run.rebuilt = false; refilter(); }
  else if (matches(event)) filtered.push(event);
  if (event.event_type === "pipeline_start") loadPlan();
  if (TERMINAL[event.event_type]) loadRuns();
  else if (ASKS.has(event.event_type) || (event.event_type === "step_output" && event.data && (event.data.type === "turn" || event.data.type === "done"))) lookAgain();
  dirty = true;
}
function choose(id, push) {
  if (run && run.id === id) return;
  run = new Run(id); run.rebuilt = false;
  const known = records.find((record) => record.execution_id === id);
  if (known) { run.graph = known.graph; run.status = known.status; }
  filtered = []; frozen = null; chosen = null; stick = true; planFor = "";
  $("pause").setAttribute("aria-pressed", "false"); put($("pause"), "Pause");
  $("by-node").replaceChildren(new Option("all nodes", "")); $("search").value = "";
  $("drawing").replaceChildren(); $("progress").replaceChildren(); $("outputs").replaceChildren(); $("detail").hidden = true;
  drawing.nodes.clear(); drawing.edges = []; drawing.picture = null; cards.clear(); bars.clear(); forgetQuestions();
  const hash = "#execution=" + encodeURIComponent(id);
  if (location.hash !== hash) history[push ? "pushState" : "replaceState"](null, "", hash);
  feed.follow(id, null); // from the first event: the log is the memory of this page
  dirty = true;
}
function fromHash() { return new URLSearchParams(location.hash.slice(1)).get("execution"); }
addEventListener("hashchange", () => { const id = fromHash(); if (id) choose(id, false); });

async function loadPlan() {
  const wanted = run, key = run.id;
  if (planFor === key) return;
  planFor = key;
  const query = encodeURIComponent(JSON.stringify(run.params || {}));
  let answer = null;
  try { answer = await ask("api/graphs/" + encodeURIComponent(run.graph) + "?params=" + query); } catch { /* drawn from the events instead */ }
  if (run !== wanted) return;
  const plan = answer && answer.nodes;
  run.plan = plan || null;
  if (plan && plan.length) { draw(plan.slice(0, MAX_NODES)); nodeNames(plan.map((node) => node.id)); }
  dirty = true;
}
function planFromEvents() { // a graph that is no longer served: its nodes without its edges
  if (!run || run.plan !== null) return;
  const ids = [...run.nodes.keys()];
  if (!ids.length || ids.length === drawing.nodes.size) return;
  draw(ids.map((id) => ({ id, operator: "", kind: "operator", inputs: [], published: true })));
  nodeNames(ids);
}
function nodeNames(ids) {
  const select = $("by-node"), before = select.value;
  select.replaceChildren(new Option("all nodes", ""), ...ids.map((id) => new Option(id, id)));
  select.value = ids.includes(before) ? before : "";
}
