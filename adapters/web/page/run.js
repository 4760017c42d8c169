"use strict";
/* What is known of the chosen execution: its nodes, outputs and questions, made of its events one after the other,
   and of its record, which alone knows what can be answered now and who takes what is sent. Draws nothing. */
class Run {
  constructor(id) {
    this.id = id; this.graph = ""; this.status = ""; this.params = null; this.listens = new Set();
    this.clear();
  }
  clear() {
    this.events = []; this.dropped = 0; this.total = 0; this.last = 0; this.began = null; this.ended = null;
    this.nodes = new Map(); this.outputs = new Map(); this.error = ""; this.gaps = []; this.rebuilt = true;
    this.questions = new Map(); this.steps = false; this.result = undefined;
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
      this.status = TERMINAL[type]; this.ended = Date.parse(event.timestamp); this.result = data.result;
      if (type === "pipeline_error" && data.error) this.error = data.error.message || data.error.code;
      if (type === "pipeline_cancelled") this.error = data.reason === "stopped" ? "It was stopped." : data.reason && data.reason !== "cancelled" ? "Cancelled: " + data.reason : "";
      this.over();
    } else if (type === "input_requested") { this.asked(data, event.step_id); this.status = "waiting"; }
    else if (type === "input_received" && data.request_id) {
      this.questions.delete(data.request_id);
      this.status = this.questions.size ? "waiting" : "running";
    } else if (type === "input_received") this.sent(event.step_id, data.value, event.timestamp);
    if (event.step_id === null || event.step_id === undefined) return;
    const node = this.node(event.step_id);
    node.seen++;
    if (type === "step_start") node.state = "running";
    else if (type === "step_progress") { node.progress = data; if (node.state === "waiting") node.state = "running"; }
    else if (type === "step_output") { node.count++; if (node.state === "waiting") node.state = "running"; this.output(event.step_id, event.data, event.timestamp); }
    else if (type === "step_complete") { this.withdrawn(event.step_id); node.state = data.skipped ? "skipped" : "completed"; if ("output" in data) this.steps = true; if (typeof data.count === "number") node.count = Math.max(node.count, data.count); }
    else if (type === "step_error") {
      const why = (data.error && data.error.message) || "", out = this.outputs.get(event.step_id);
      if (!data.will_retry) { node.state = "failed"; node.error = why; this.withdrawn(event.step_id); }
      if (out && out.talk) { out.talk.failed(why, data.will_retry, data.attempt); out.fresh = true; }
    }
  }
  asked(question, step) {
    const known = this.questions.get(question.request_id);
    if (!known && this.questions.size >= MAX_QUESTIONS) return null;
    const made = known || { ...question, step, since: Date.now(), listed: false, open: true };
    this.questions.set(question.request_id, made);
    return made;
  }
  withdrawn(step) { for (const [id, question] of this.questions) if (question.step === step) this.questions.delete(id); }
  sent(step, value, at) { // what will join the conversation is shown until it does
    const text = typeof value === "string" ? value : value && value.type === "message" ? value.content : null;
    const out = typeof text === "string" && this.card(step, Date.parse(at));
    if (!out) return;
    this.talk(out).pending.push(cut(text, 2000)); out.fresh = true;
  }
  over() { // nothing more will happen in it
    this.questions.clear(); this.listens.clear();
    for (const out of this.outputs.values()) if (out.talk) { out.talk.end(); out.fresh = true; }
  }
  /* What the server says of it now. One that is told and cannot be answered (yet, or any more) is not shown. */
  know(record) {
    if (ENDED.has(record.status)) { if (record.status === "interrupted") this.over(); return; }
    const open = new Set();
    for (const question of record.inputs || []) {
      open.add(question.request_id);
      const known = this.asked(question, question.request_id.split("-").slice(0, -1).join("-"));
      if (known) { known.listed = true; known.open = true; }
    }
    for (const [id, question] of this.questions)
      if (!open.has(id)) question.open = !question.listed && Date.now() - question.since < 4000;
    this.listens = new Set(record.listens || []);
    for (const step of this.listens) { const out = this.card(step, Date.now()); if (out) { this.talk(out); out.fresh = true; } }
    for (const out of this.outputs.values()) if (out.talk) out.fresh = true;
  }
  output(step, value, at) {
    /* merge(cpu=a, disk=b) says which stream each element came from: a card for each of them */
    if (value && typeof value === "object" && typeof value.source === "string" && "value" in value && Object.keys(value).length === 2) {
      step += " · " + cut(value.source, 40); value = value.value;
    }
    const out = this.card(step, Date.parse(at));
    if (!out) return;
    out.count++; out.at = Date.parse(at); out.fresh = true; out.value = value;
    if (value && typeof value === "object" && TALKS.has(value.type)) this.talk(out).take(value, out.at);
    else if (value && value.type === "dead_letter") this.line(out, "✗ " + show(value.item, 200) + "  —  " + ((value.error && value.error.message) || "failed") + (value.attempts > 1 ? " (" + value.attempts + " attempts)" : ""));
    else if (typeof value === "number") this.point(out, "", value);
    else if (typeof value === "string") this.line(out, value);
    else if (value && typeof value === "object" && !Array.isArray(value))
      for (const key of Object.keys(value).slice(0, MAX_KEYS)) if (typeof value[key] === "number") this.point(out, key, value[key]);
  }
  line(out, text) { out.lines.push(cut(text, 500)); if (out.lines.length > 6) out.lines.shift(); }
  card(step, at) {
    let out = this.outputs.get(step);
    if (!out && this.outputs.size < MAX_CARDS) {
      out = { step, count: 0, first: at, at, fresh: true, value: null, talk: null, series: new Map(), lines: [] };
      this.outputs.set(step, out);
    }
    return out;
  }
  talk(out) { return out.talk || (out.talk = new Talk()); }
  point(out, key, value) {
    let series = out.series.get(key);
    if (!series) { if (out.series.size >= MAX_KEYS) return; out.series.set(key, series = []); }
    series.push(value);
    if (series.length > MAX_SERIES) series.shift();
  }
}
