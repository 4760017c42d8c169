"use strict";
/* One frame: the document changes here and nowhere else, and only if something did. */
const TONES = { connecting: "busy", live: "good", waiting: "warn", ended: "", failed: "bad", idle: "" };
let linkText = "", listFailed = false;
function paintLink() {
  let text = { connecting: "connecting", live: "live · " + feed.via, ended: "ended · everything was read", failed: "cannot be followed", idle: "nothing to follow" }[feed.state];
  if (feed.state === "waiting") text = "reconnecting in " + Math.max(0, Math.ceil((feed.retryAt - Date.now()) / 1000)) + " s";
  let mood = TONES[feed.state];
  if ((feed.state === "idle" || feed.state === "ended") && listFailed) { text = "the server does not answer"; mood = "bad"; }
  if (text !== linkText) { linkText = text; put($("link"), text); $("link").dataset.tone = mood; }
  $("link").dataset.state = feed.state;
  $("again").hidden = feed.state !== "waiting";
}
function paint() {
  requestAnimationFrame(paint);
  paintLink();
  if (!run) return;
  const running = run.began && !run.ended && !ENDED.has(run.status);
  if (running) put($("elapsed"), duration(now() - run.began));
  tick();
  if (!dirty) return;
  dirty = false;
  $("nothing").hidden = true;
  for (const id of ["head", "graph-panel", "events-panel"]) $(id).hidden = false;
  put($("title"), run.graph || "…"); document.title = (run.waits ? "(" + run.waits + ") " : "") + (run.graph ? run.graph + " · " : "") + "rxstream";
  put($("status"), run.status || "…"); $("status").dataset.status = run.status;
  put($("count"), number(run.last) + (run.last === 1 ? " event" : " events")); put($("ident"), run.id);
  put($("params"), run.params ? cut(Object.entries(run.params).filter(([, v]) => v !== null && show(v) !== "{}").map(([k, v]) => k + "=" + show(v, 60)).join(" "), 160) : "");
  if (run.began && run.ended) put($("elapsed"), duration(run.ended - run.began));
  for (const id of ["stop", "cancel"]) $(id).hidden = !run.status || ENDED.has(run.status);
  put($("queue"), queued()); $("queue").hidden = !$("queue").textContent;
  put($("error"), run.error); $("error").hidden = !run.error; $("error").classList.toggle("bad", run.status !== "cancelled");
  put($("gap"), run.gaps.slice(-3).join(" ")); $("gap").hidden = !run.gaps.length;
  put($("trouble"), feed.state === "failed" ? "This execution cannot be followed: " + said : ""); $("trouble").hidden = feed.state !== "failed";
  paintQuestions(); paintGraph(); paintProgress();
  for (const out of run.outputs.values()) paintCard(out);
  paintResult();
  paintList();
}
/* What changes with the time alone: how long a call has run, how long a question is open. */
let ticked = 0;
function tick() {
  if (Date.now() - ticked < 200) return;
  ticked = Date.now();
  for (const out of run.outputs.values()) if (out.talk && out.talk.calls.size) { out.fresh = true; dirty = true; }
  for (const question of run.questions.values()) if (question.open) { const form = forms.get(question.request_id); if (form) form.tick(); }
}
function queued() {
  if (!run.queue || run.status !== "queued") return "";
  const ahead = run.queue.position, why = (run.queue.waiting_for || []).map((each) => (each.name ? each.kind + " " + each.name : "its " + each.kind)).slice(0, 5).join(", ");
  return "It waits" + (ahead ? ", at place " + ahead : "") + (why ? ", for " + why : "") + ".";
}
