"use strict";
/* How far the nodes are: bars, and the state of what is drawn. */
function paintProgress() {
  for (const node of run.nodes.values()) {
    if (!node.progress) continue;
    let bar = bars.get(node.id);
    if (!bar) {
      if (bars.size >= 40) continue;
      const box = el("div", "prog"), meter = el("div", "meter"), fill = el("i"), percent = el("span", "num"), says = el("span", "says");
      meter.setAttribute("role", "progressbar"); meter.setAttribute("aria-label", node.id); meter.setAttribute("aria-valuemin", "0"); meter.setAttribute("aria-valuemax", "100");
      meter.append(fill); box.append(el("b", "", node.id), meter, percent, says); $("progress").append(box);
      bar = { meter, fill, percent, says };
      bars.set(node.id, bar);
    }
    const { percentage, message } = node.progress;
    const over = node.state === "completed" || node.state === "failed" || ENDED.has(run.status);
    const known = typeof percentage === "number";
    const part = known ? Math.max(0, Math.min(100, percentage)) : node.state === "completed" ? 100 : 0;
    bar.meter.classList.toggle("open", !known && !over);
    bar.meter.classList.toggle("done", node.state === "completed");
    bar.meter.classList.toggle("failed", node.state === "failed");
    bar.fill.style.transform = !known && !over ? "" : "scaleX(" + part / 100 + ")";
    if (known) bar.meter.setAttribute("aria-valuenow", String(Math.round(part))); else bar.meter.removeAttribute("aria-valuenow");
    put(bar.percent, known ? Math.round(part) + " %" : "");
    put(bar.says, (node.state === "failed" && node.error) || message || "");
  }
}
function paintGraph() {
  planFromEvents();
  const asks = new Set([...run.questions.values()].filter((question) => question.open).map((question) => question.step));
  for (const [id, parts] of drawing.nodes) {
    const node = run.nodes.get(id);
    let state = node ? node.state : "waiting";
    if (state === "waiting" && run.status === "completed") state = "completed"; // it tells nothing of itself
    if (asks.has(id)) state = "asks";
    if (parts.group.dataset.state !== state) parts.group.dataset.state = state;
    parts.group.classList.toggle("chosen", wantedNode === id);
    const count = node ? node.count : 0;
    const label = id + ", " + (parts.box.node.operator || "node") + ", " + state + (count ? ", " + count + " elements" : "");
    if (parts.shown !== label) { parts.shown = label; parts.group.setAttribute("aria-label", label); }
    if (parts.count) put(parts.count, count ? number(count) : "");
    if (parts.bar && node && node.progress && typeof node.progress.percentage === "number") {
      parts.track.setAttribute("visibility", "visible"); parts.bar.setAttribute("visibility", "visible");
      parts.bar.setAttribute("width", ((parts.box.width - 24) * Math.max(0, Math.min(100, node.progress.percentage))) / 100);
    } else if (parts.bar && node && !(node.progress && typeof node.progress.percentage === "number")) {
      parts.track.setAttribute("visibility", "hidden"); parts.bar.setAttribute("visibility", "hidden");
    }
    if (node && node.seen !== parts.seen) {
      parts.seen = node.seen;
      if (!still.matches && !(parts.beat && parts.beat.playState === "running")) {
        parts.beat = parts.flash.animate([{ opacity: 0.22 }, { opacity: 0 }], { duration: 420, easing: "ease-out" });
      }
    }
  }
  for (const edge of drawing.edges) {
    const node = run.nodes.get(edge.from);
    edge.line.classList.toggle("lit", Boolean(node && node.state === "running" && !ENDED.has(run.status)));
  }
}
