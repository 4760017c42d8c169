"use strict";
/* ---------- executions and graphs ---------- */
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
  if (mine && (!run.began || (ENDED.has(mine.status) && feed.state === "ended"))) {
    run.graph = run.graph || mine.graph;
    run.status = mine.status;
    if (mine.status === "interrupted" && !run.error) run.error = "The server died while it ran.";
    dirty = true;
  }
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
    row.dot.dataset.status = record.status;
    put(row.name, record.graph); put(row.when, ago(record.created_at));
    row.button.setAttribute("aria-label", record.graph + ", " + record.status + ", " + id);
    row.button.setAttribute("aria-current", String(Boolean(run && run.id === id)));
    if (row.item !== place) list.insertBefore(row.item, place); else place = place.nextElementSibling;
  }
  for (const [id, row] of runRows) if (!wanted.has(id)) { row.item.remove(); runRows.delete(id); }
}
function control(name, schema, required) {
  const types = [schema.type, ...(schema.anyOf || []).map((s) => s.type)].flat().filter((t) => t && t !== "null");
  const choices = schema.enum || (schema.anyOf || []).map((s) => s.enum).find(Boolean);
  const type = choices ? "enum" : types.length === 1 ? types[0] : "json";
  let input;
  if (type === "boolean") { input = el("input"); input.type = "checkbox"; input.checked = Boolean(schema.default); }
  else if (type === "enum") { input = el("select"); if (!required) input.append(new Option("", "")); for (const choice of choices) input.append(new Option(String(choice), JSON.stringify(choice))); if (schema.default !== undefined) input.value = JSON.stringify(schema.default); }
  else {
    input = el("input");
    if (type === "integer" || type === "number") { input.type = "number"; input.step = type === "integer" ? "1" : "any"; }
    if (schema.format === "password" || schema.writeOnly) { input.type = "password"; input.autocomplete = "off"; }
    if (schema.default !== undefined && schema.default !== null) input.value = typeof schema.default === "object" ? JSON.stringify(schema.default) : String(schema.default);
    if (type === "json") input.placeholder = "JSON";
  }
  input.required = required && type !== "boolean";
  const read = () => {
    if (type === "boolean") return input.checked;
    if (input.value === "" && (type !== "string" || !required)) return undefined;
    if (type === "integer" || type === "number") return Number(input.value);
    if (type === "enum") return JSON.parse(input.value);
    if (type !== "json") return input.value;
    try { return JSON.parse(input.value); } catch { return input.value; }
  };
  return { input, read };
}
async function loadGraphs() {
  let items;
  try { items = (await ask("api/graphs")).items; } catch { setTimeout(loadGraphs, 3000); return; }
  $("graphs").replaceChildren(...items.map((graph, i) => {
    const item = el("li", "startable"), row = el("div", "row"), name = el("span", "name", graph.name), start = el("button", "primary", "Start"), form = el("form");
    const properties = (graph.parameters && graph.parameters.properties) || {}, required = new Set((graph.parameters && graph.parameters.required) || []);
    const fields = new Map();
    start.setAttribute("aria-label", "Start " + graph.name); start.type = "button";
    row.append(name, el("span", "grow")); item.append(row);
    if (graph.description) item.append(el("p", "", cut(graph.description, 240)));
    for (const [key, schema] of Object.entries(properties)) {
      const box = el("div", "field"), label = el("label", "", (schema.title && schema.title.toLowerCase() !== key.replace(/_/g, " ") ? schema.title : key) + (required.has(key) ? " *" : "")), { input, read } = control(key, schema, required.has(key)), bad = el("span", "bad");
      input.id = "p-" + i + "-" + key; input.name = key; label.htmlFor = input.id; bad.setAttribute("role", "alert");
      if (schema.description) input.title = schema.description;
      box.append(label, input, bad); form.append(box);
      fields.set(key, { read, bad });
    }
    const general = el("div", "field"), why = el("span", "bad"); why.setAttribute("role", "alert"); general.append(why);
    const submit = async () => {
      const params = {};
      for (const [key, field] of fields) { put(field.bad, ""); const value = field.read(); if (value !== undefined) params[key] = value; }
      put(why, ""); start.disabled = true;
      try {
        const made = await ask("api/executions", { method: "POST", body: { graph: graph.name, params } });
        choose(made.execution_id, true);
        await loadRuns();
        $("main").focus({ preventScroll: true });
      } catch (error) {
        form.hidden = false; item.append(general);
        let placed = false;
        for (const entry of Array.isArray(error.detail) ? error.detail : []) { const field = fields.get(entry.name); if (field) { put(field.bad, entry.message); placed = true; } }
        if (!placed) put(why, error instanceof Refused ? error.message : "The server does not answer.");
      } finally { start.disabled = false; }
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
    if (fields.size) {
      const more = el("button", "", "Options"); more.type = "button"; more.setAttribute("aria-expanded", "false"); form.hidden = true;
      more.addEventListener("click", () => { form.hidden = !form.hidden; more.setAttribute("aria-expanded", String(!form.hidden)); });
      row.append(more);
      item.append(form);
      start.addEventListener("click", () => { if (form.hidden && required.size) { form.hidden = false; more.setAttribute("aria-expanded", "true"); form.querySelector("input, select").focus(); } else if (form.hidden || form.reportValidity()) submit(); });
      const go = el("button", "vh"); go.type = "submit"; go.tabIndex = -1; go.textContent = "Start"; form.append(go);
    } else start.addEventListener("click", submit);
    row.append(start);
    return item;
  }));
  if (!items.length) $("graphs").append(el("li", "muted", "No graph is served."));
}
$("cancel").addEventListener("click", async () => {
  $("cancel").disabled = true;
  try { await ask("api/executions/" + encodeURIComponent(run.id) + "/cancel", { method: "POST" }); }
  catch (error) { if (!(error instanceof Refused && error.code === "already_ended")) { run.error = "It could not be cancelled: " + error.message; dirty = true; } }
  $("cancel").disabled = false;
});
$("again").addEventListener("click", () => feed.now());
addEventListener("online", () => feed.now());
addEventListener("resize", () => { fit(); dirty = true; });
document.addEventListener("visibilitychange", () => { if (!document.hidden) { loadRuns(); dirty = true; } });
setInterval(() => { if (!document.hidden) loadRuns(); }, 3000);
loadGraphs();
loadRuns();
requestAnimationFrame(paint);
