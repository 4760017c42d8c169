"use strict";
/* ---------- what is known of the chosen execution ---------- */
class Run {
  constructor(id) {
    this.id = id; this.graph = ""; this.status = ""; this.params = null; this.record = null;
    this.clear();
  }
  clear() {
    this.events = []; this.dropped = 0; this.total = 0; this.last = 0; this.began = null; this.ended = null;
    this.nodes = new Map(); this.outputs = new Map(); this.error = ""; this.gaps = []; this.rebuilt = true;
  }
  node(id) {
    let node = this.nodes.get(id);
    if (!node && this.nodes.size < MAX_NODES) {
      node = { id, state: "waiting", count: 0, progress: null, seen: 0, error: "" };
      this.nodes.set(id, node);
    }
    return node || { seen: 0 };
  }
  take(event) {
    if (event.event_type === "gap") this.gap(event);
    else {
      if (event.sequence <= this.last) return false; // shown already
      if (event.sequence > this.last + 1) this.gaps.push("Events " + (this.last + 1) + " to " + (event.sequence - 1) + " did not arrive.");
      this.last = event.sequence;
      this.total++;
      this.apply(event);
    }
    this.events.push(event);
    if (this.events.length > MAX_EVENTS + 2000) {
      this.dropped += this.events.length - MAX_EVENTS;
      this.events.splice(0, this.events.length - MAX_EVENTS);
      this.rebuilt = true;
    }
    return true;
  }
  gap(event) {
    const { missed, first_available: first } = event.data;
    if (missed === null || missed === undefined) {
      this.clear(); // another history: what was shown does not belong to it
      this.gaps.push("The log was replaced or repaired; what follows begins at event " + first + ".");
    } else this.gaps.push(number(missed) + (missed === 1 ? " event is" : " events are") + " no longer kept; what follows begins at event " + first + ".");
    this.last = first - 1;
  }
  apply(event) {
    const data = event.data || {}, type = event.event_type;
    if (type === "pipeline_start") {
      this.graph = data.graph || this.graph; this.params = data.params || {}; this.status = "running"; this.began = Date.parse(event.timestamp);
    } else if (TERMINAL[type]) {
      this.status = TERMINAL[type]; this.ended = Date.parse(event.timestamp);
      if (type === "pipeline_error" && data.error) this.error = data.error.message || data.error.code;
      if (type === "pipeline_cancelled") this.error = data.reason && data.reason !== "cancelled" ? "Cancelled: " + data.reason : "";
    } else if (type === "input_requested") this.status = "waiting";
    else if (type === "input_received" && data.request_id) this.status = "running";
    if (event.step_id === null || event.step_id === undefined) return;
    const node = this.node(event.step_id);
    node.seen++;
    if (type === "step_start") node.state = "running";
    else if (type === "step_progress") { node.progress = data; if (node.state === "waiting") node.state = "running"; }
    else if (type === "step_output") { node.count++; if (node.state === "waiting") node.state = "running"; this.output(event.step_id, event.data, event.timestamp); }
    else if (type === "step_complete") { node.state = "completed"; if (typeof data.count === "number") node.count = Math.max(node.count, data.count); }
    else if (type === "step_error" && !data.will_retry) { node.state = "failed"; node.error = (data.error && data.error.message) || ""; }
  }
  output(step, value, at) {
    /* merge(cpu=a, disk=b) says which stream each element came from: a card for each of them */
    if (value && typeof value === "object" && typeof value.source === "string" && "value" in value && Object.keys(value).length === 2) {
      step += " · " + cut(value.source, 40); value = value.value;
    }
    let out = this.outputs.get(step);
    if (!out) {
      if (this.outputs.size >= MAX_CARDS) return;
      out = { step, count: 0, first: Date.parse(at), at: 0, fresh: true, value: null, text: "", begun: 0, lost: 0, tokens: 0, notes: [], talk: false, writing: false, series: new Map(), lines: [] };
      this.outputs.set(step, out);
    }
    out.count++; out.at = Date.parse(at); out.fresh = true; out.value = value;
    if (value && typeof value === "object" && typeof value.type === "string" && ["token", "done", "error", "reasoning", "restarted", "tool_call", "tool_result", "tool_output", "turn", "message"].includes(value.type)) this.talk(out, value);
    else if (typeof value === "number") this.point(out, "", value);
    else if (typeof value === "string") { out.lines.push(cut(value, 500)); if (out.lines.length > 6) out.lines.shift(); }
    else if (value && typeof value === "object" && !Array.isArray(value))
      for (const key of Object.keys(value).slice(0, MAX_KEYS)) if (typeof value[key] === "number") this.point(out, key, value[key]);
  }
  talk(out, value) {
    out.talk = true;
    if (value.type === "token") {
      if (!out.writing) { if (out.text) out.text += "\n\n"; out.begun = out.text.length; }
      out.writing = true; out.tokens++;
      out.text += out.text ? value.text || "" : (value.text || "").trimStart();
      if (out.text.length > MAX_TEXT) {
        const gone = out.text.length - MAX_TEXT / 2;
        out.lost += gone; out.begun = Math.max(0, out.begun - gone); out.text = out.text.slice(gone);
      }
    } else if (value.type === "turn") { out.writing = false;
    } else if (value.type === "done") {
      out.writing = false;
      const rate = value.timings && value.timings.tokens_per_second;
      const why = value.finish_reason === "length" ? "stopped at its limit" : "finished";
      out.summary = why + (rate ? " · " + number(rate) + " tokens/s" : "");
    } else {
      if (value.type === "error") out.writing = false;
      // what came of this answer before does not count
      if (value.type === "restarted" && out.writing) out.text = out.text.slice(0, out.begun);
      const text = value.type === "error" || value.type === "restarted" ? value.message : value.type === "tool_call" ? value.name + " " + show(value.arguments, 200) : value.text || value.content || show(value.result || value.error, 300);
      out.notes.push({ bad: value.type === "error", text: cut((value.type === "error" ? "" : value.type.replace("_", " ") + ": ") + text, 600) });
      if (out.notes.length > 20) out.notes.shift();
    }
  }
  point(out, key, value) {
    let series = out.series.get(key);
    if (!series) { if (out.series.size >= MAX_KEYS) return; out.series.set(key, series = []); }
    series.push(value);
    if (series.length > MAX_SERIES) series.shift();
  }
}
