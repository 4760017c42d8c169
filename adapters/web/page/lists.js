"use strict";
/* What can be started and what was: the lists at the side, and what the server says of the chosen execution. */
const runRows = new Map();
async function loadRuns() {
  try {
    const answer = await ask("api/executions?limit=50", { patience: 8000 });
    records = answer.items; listFailed = false;
  } catch { listFailed = true; return; }
  if (!run) {
    const id = fromHash() || (records[0] && records[0].execution_id);
    if (id) choose(id, false); else $("nothing").hidden = false;
  }
  const mine = run && records.find((record) => record.execution_id === run.id);
  if (mine) learn(mine); else if (run && !ENDED.has(run.status)) lookAgain();
  const list = $("runs"), wanted = new Set();
  let place = list.firstElementChild;
  for (const record of records) {
    const id = record.execution_id;
    wanted.add(id);
    let row = runRows.get(id);
    if (!row) {
      const item = el("li"), button = el("button"), dot = el("span", "dot"), name = el("span", "name"), when = el("span", "when num"), ident = el("span", "id mono", id);
      button.append(dot, name, when, ident); item.append(button); item.dataset.execution = id;
      button.addEventListener("click", () => { choose(id, true); loadRuns(); });
      row = { item, button, dot, name, when };
      runRows.set(id, row);
    }
    paintRow(row, record);
    row.button.setAttribute("aria-current", String(Boolean(run && run.id === id)));
    if (row.item !== place) list.insertBefore(row.item, place); else place = place.nextElementSibling;
  }
  for (const [id, row] of runRows) if (!wanted.has(id)) { row.item.remove(); runRows.delete(id); }
}
function paintRow(row, record) {
  row.dot.dataset.status = record.status;
  put(row.name, record.graph); put(row.when, record.status === "waiting" && (record.inputs || []).length ? "asks" : ago(record.created_at));
  row.button.setAttribute("aria-label", record.graph + ", " + record.status + ", " + record.execution_id);
}
function learn(record) {
  const row = runRows.get(record.execution_id);
  if (row) paintRow(row, record);
  if (!run.began || (ENDED.has(record.status) && feed.state === "ended")) {
    run.graph = run.graph || record.graph;
    run.status = record.status;
    if (record.status === "interrupted" && !run.error) run.error = "The server died while it ran.";
  }
  run.queue = record.queue || null;
  run.know(record);
  dirty = true;
}
/* Soon: several things that call for it at once make one request. */
function lookAgain() {
  if (lookAgain.timer || !run) return;
  lookAgain.timer = setTimeout(async () => {
    lookAgain.timer = 0;
    const wanted = run;
    try {
      const record = await ask("api/executions/" + encodeURIComponent(wanted.id), { patience: 8000 });
      if (run === wanted) learn(record);
    } catch { /* whoever follows it says so */ }
  }, 120);
}
async function loadGraphs() {
  let items;
  try { items = (await ask("api/graphs")).items; } catch { setTimeout(loadGraphs, 3000); return; }
  $("graphs").replaceChildren(...items.map((graph, i) => {
    const item = el("li", "startable"), row = el("div", "row"), name = el("span", "name", graph.name), start = el("button", "primary", "Start"), form = el("form");
    const properties = (graph.parameters && graph.parameters.properties) || {}, required = new Set((graph.parameters && graph.parameters.required) || []);
    const fields = new Map();
    start.setAttribute("aria-label", "Start " + graph.name); start.type = "button";
    name.title = graph.name; row.append(name); item.append(row);
    if (graph.description) item.append(el("p", "", cut(graph.description, 240)));
    for (const [key, schema] of Object.entries(properties)) {
      const made = field(key, schema, required.has(key), graph.parameters, "p-" + i + "-" + key);
      form.append(made.box); fields.set(key, made);
    }
    const general = el("div", "field"), why = el("span", "bad"); why.setAttribute("role", "alert"); general.append(why);
    const submit = async () => {
      const params = {};
      for (const each of fields.values()) each.complain("");
      put(why, ""); start.disabled = true;
      try {
        for (const [key, each] of fields) {
          try { const value = each.read(); if (value !== undefined) params[key] = value; }
          catch (error) { each.complain(error.message); throw error; }
        }
        const made = await ask("api/executions", { method: "POST", body: { graph: graph.name, params } });
        choose(made.execution_id, true);
        await loadRuns();
        $("main").focus({ preventScroll: true });
      } catch (error) {
        form.hidden = false; item.append(general);
        let placed = false;
        for (const entry of Array.isArray(error.detail) ? error.detail : []) {
          const at = fields.get(entry.name) || fields.get(String(entry.name).split(".")[0]);
          if (at) { at.complain(entry.message); placed = true; }
        }
        if (!placed && !(error instanceof NotAnAnswer)) put(why, reason(error));
      } finally { start.disabled = false; }
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
    if (fields.size) {
      const more = el("button", "", "Options"); more.type = "button"; more.setAttribute("aria-expanded", "false"); form.hidden = true;
      more.addEventListener("click", () => { form.hidden = !form.hidden; more.setAttribute("aria-expanded", String(!form.hidden)); });
      row.append(more);
      item.append(form);
      start.addEventListener("click", () => { if (form.hidden && required.size) { form.hidden = false; more.setAttribute("aria-expanded", "true"); form.querySelector("input, select, textarea").focus(); } else if (form.hidden || form.reportValidity()) submit(); });
      const go = el("button", "vh"); go.type = "submit"; go.tabIndex = -1; go.textContent = "Start"; form.append(go);
    } else start.addEventListener("click", submit);
    row.append(start);
    return item;
  }));
  if (!items.length) $("graphs").append(el("li", "muted", "No graph is served."));
}
for (const action of ["stop", "cancel"]) $(action).addEventListener("click", async () => {
  $(action).disabled = true;
  try { await ask("api/executions/" + encodeURIComponent(run.id) + "/" + action, { method: "POST" }); }
  catch (error) { if (!(error instanceof Refused && error.code === "already_ended")) { run.error = "It could not be " + (action === "stop" ? "stopped: " : "cancelled: ") + reason(error); dirty = true; } }
  $(action).disabled = false;
});
$("again").addEventListener("click", () => feed.now());
addEventListener("online", () => feed.now());
addEventListener("resize", () => { fit(); dirty = true; });
document.addEventListener("visibilitychange", () => { if (!document.hidden) { loadRuns(); dirty = true; } });
setInterval(() => { if (!document.hidden) loadRuns(); }, 3000);
/* on a narrow screen what runs comes first */
if (innerWidth <= 860 && fromHash()) $("graphs-fold").open = false;
loadGraphs();
loadRuns();
requestAnimationFrame(paint);
