"use strict";
/* What models, tools and agents said in one output, in the order it happened: text, thoughts, calls of tools with
   what they say meanwhile, messages, remarks. Each block counts its changes in `version`, so that whoever draws
   looks only at what is new. Bounded in blocks, in characters and in output of each call. */
const MAX_BLOCKS = 300, MAX_CALL_TEXT = 20000;
const TALKS = new Set(["token", "done", "error", "reasoning", "restarted", "tool_call", "tool_result", "tool_output", "turn", "message"]);

class Talk {
  constructor() {
    this.blocks = []; this.lost = 0; this.chars = 0; this.tokens = 0; this.writing = false; this.summary = "";
    this.answer = 0; // counts answers: what one of them said is dropped when it begins anew
    this.calls = new Map();
    this.pending = []; // messages that were sent and have not joined yet
  }
  take(value, at) {
    const text = typeof value.text === "string" ? value.text : "";
    switch (value.type) {
      case "token": this.writing = true; this.tokens++; this.say("text", text); break;
      case "reasoning": this.writing = true; this.say("reasoning", text); break;
      case "tool_call": this.call(value.id, value.name, value.arguments, at); break;
      case "tool_output": this.heard(value, text); break;
      case "tool_result": this.result(value, at); break;
      case "turn": this.over(); break;
      case "done": this.over(); this.done(value); break;
      case "message": this.over(); this.joined(show(value.content, 2000)); this.add({ kind: "message", text: cut(show(value.content, 20000), 20000) }); break;
      case "error": this.over(); this.add({ kind: "note", bad: true, text: cut(String(value.message), 2000) }); break;
      case "restarted": this.restart(value); break;
    }
  }
  over() { this.writing = false; this.answer++; }
  add(block) {
    this.blocks.push(Object.assign(block, { version: 1, answer: this.answer }));
    if (this.blocks.length > MAX_BLOCKS) {
      const gone = this.blocks.shift();
      this.lost++; this.chars -= (gone.text || "").length;
      if (gone.kind === "call" && this.calls.get(gone.id) === gone) this.calls.delete(gone.id);
    }
    return block;
  }
  say(kind, text) {
    let block = this.blocks.at(-1);
    if (!block || block.kind !== kind || block.answer !== this.answer) {
      text = text.trimStart();
      if (!text) return;
      block = this.add({ kind, text: "", gone: 0 });
    }
    block.text += text; block.version++; this.chars += text.length;
    if (this.chars > MAX_TEXT) this.forget();
  }
  forget() { // the oldest half
    for (const block of this.blocks) {
      if (this.chars <= MAX_TEXT / 2) return;
      if (block.kind !== "text" && block.kind !== "reasoning") continue;
      const gone = Math.min(block.text.length, this.chars - MAX_TEXT / 2);
      block.text = block.text.slice(gone); block.gone += gone; block.version++; this.chars -= gone;
    }
  }
  call(id, name, given, at) {
    const block = this.add({ kind: "call", id, name: name || "a call", given, state: "running", began: at, ended: 0, pieces: [], length: 0, gone: 0, percentage: null, doing: "", value: undefined, error: null });
    this.calls.set(id, block);
    return block;
  }
  heard(value, text) {
    const call = this.calls.get(value.id) || this.call(value.id, "", undefined, 0);
    call.version++;
    if (value.channel === "progress") { call.percentage = typeof value.percentage === "number" ? value.percentage : null; call.doing = cut(text, 300); return; }
    let last = call.pieces.at(-1);
    if (!last || last.channel !== value.channel) call.pieces.push((last = { channel: value.channel, text: "" }));
    const before = last.text.length;
    last.text = overdrawn(last.text, text);
    call.length += last.text.length - before;
    while (call.length > MAX_CALL_TEXT) {
      const first = call.pieces[0], gone = Math.min(first.text.length, call.length - MAX_CALL_TEXT);
      first.text = first.text.slice(gone); call.length -= gone; call.gone += gone;
      if (!first.text) call.pieces.shift();
    }
  }
  result(value, at) {
    const call = this.calls.get(value.id) || this.call(value.id, value.name, undefined, 0);
    call.version++;
    call.ended = at; call.error = value.error || null; call.value = value.result; call.brief = value.brief;
    call.state = value.error ? (value.error.code === "cancelled" ? "cancelled" : "failed") : unwell(value.result) ? "failed" : "done";
    this.calls.delete(value.id); // a model may give the same id again in its next answer
  }
  done(value) {
    const usage = value.usage || {}, rate = value.timings && value.timings.tokens_per_second;
    const why = { length: "stopped at its limit", cancelled: "stopped", content_filter: "stopped by a filter" }[value.finish_reason] || "finished";
    if (typeof usage.completion_tokens === "number") this.tokens = usage.completion_tokens;
    this.summary = why + (value.turns > 1 ? " · " + value.turns + " turns" : "") + (rate ? " · " + number(rate) + " tokens/s" : "");
  }
  joined(text) {
    const at = this.pending.indexOf(cut(text, 2000));
    if (at >= 0) this.pending.splice(at, 1);
  }
  failed(why, again, attempt) {
    this.over();
    this.add({ kind: "note", bad: true, text: cut(again ? "attempt " + attempt + " failed, trying again: " + why : why, 2000) });
  }
  restart(value) { // what came of this answer before does not count
    const dropped = (block) => block.answer === this.answer && (block.kind === "text" || block.kind === "reasoning");
    for (const block of this.blocks) if (dropped(block)) this.chars -= block.text.length;
    this.blocks = this.blocks.filter((block) => !dropped(block));
    this.answer++;
    this.add({ kind: "note", bad: false, text: cut(value.message || "the answer begins anew", 600) });
  }
  end() { // the execution has ended: what still ran never will
    for (const call of this.calls.values()) { call.state = "cancelled"; call.version++; }
    this.calls.clear(); this.pending = []; this.writing = false;
  }
}
/* what a command draws over is not seen, and its colours are not text */
function overdrawn(before, text) {
  if (!before.endsWith("\r") && !/[\r\x1b]/.test(text)) return before + text;
  const whole = before + text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, "");
  return whole.replace(/\r+\n/g, "\n").replace(/[^\n]*\r(?=[^\n])/g, "");
}
/* a command that says so itself, though its tool did what it should */
function unwell(value) { return Boolean(value && typeof value === "object" && ((typeof value.exit_code === "number" && value.exit_code !== 0) || value.signal || value.ended_by)); }
