"use strict";
/* Follows one execution over whatever works, from the last cursor on.
   A transport returns "ended" (all was read), "lost" (it worked, then broke) or "refused" (it never
   worked), or throws Refused when asking again cannot help. */
class Feed {
  constructor(take, tell) {
    this.take = take; this.tell = tell; this.turn = 0; this.level = 0; this.failures = 0; this.attempt = 0;
    this.id = null; this.cursor = null; this.state = "idle"; this.via = "";
  }
  follow(id, cursor) {
    this.stop();
    Object.assign(this, { id, cursor, failures: 0, attempt: 0 });
    this.connect();
  }
  stop() {
    this.turn++;
    clearTimeout(this.timer); clearInterval(this.pulse);
    if (this.close) this.close();
    this.close = null; this.id = null;
    this.become("idle");
  }
  become(state, extra) { this.state = state; this.tell(state, extra); }
  now() { if (this.state === "waiting") { clearTimeout(this.timer); this.connect(); } }
  async connect() {
    const turn = ++this.turn, alive = () => turn === this.turn;
    this.become("connecting");
    this.got = 0;
    let outcome = "refused";
    try {
      outcome = await [this.socket, this.sse, this.poll][this.level].call(this, alive);
    } catch (error) {
      if (!alive()) return;
      if (error instanceof Refused && (error.status === 404 || error.status === 400)) { this.end(); this.become("failed", error.message); return; }
    }
    if (!alive()) return;
    this.end();
    if (outcome === "ended") { this.become("ended"); return; }
    let next = false;
    if (outcome === "lost") this.failures = 0;
    else {
      /* only a server that answers otherwise tells that it is the transport that cannot pass */
      const there = await ask("api/executions/" + encodeURIComponent(this.id), { patience: 5000 }).then(() => true, () => false);
      if (!alive()) return;
      if (there && ++this.failures >= 2) { this.failures = 0; this.level = (this.level + 1) % 3; next = this.level > 0; }
    }
    this.attempt = this.got || next ? 0 : this.attempt + 1;
    const wait = next ? 0 : Math.min(10000, 250 * 2 ** this.attempt) * (0.75 + Math.random() / 2);
    this.retryAt = Date.now() + wait;
    this.become("waiting");
    this.timer = setTimeout(() => this.connect(), wait);
  }
  end() { clearInterval(this.pulse); if (this.close) this.close(); this.close = null; }
  event(event) {
    this.got++; this.heard = Date.now();
    if (this.state !== "live") this.become("live");
    this.cursor = event.cursor;
    this.take(event);
  }
  /* A line that died silently: nothing was heard for long, though the server says something every 9 s
     over SSE and answers our ping over a WebSocket. */
  watch(alive, probe) {
    this.heard = Date.now();
    this.pulse = setInterval(() => {
      const quiet = Date.now() - this.heard;
      if (!alive()) return;
      if (quiet > 24000) this.end();
      else if (quiet > 9000 && probe) probe();
    }, 3000);
  }
  socket(alive) {
    this.via = "WebSocket";
    return new Promise((resolve, reject) => {
      const address = new URL(url("ws"), location.href);
      address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(address);
      let opened = false, outcome = null;
      const late = setTimeout(() => socket.close(), 8000);
      const finish = (result) => { clearTimeout(late); resolve(result || (opened ? "lost" : "refused")); };
      this.close = () => { socket.onmessage = null; socket.close(); finish(outcome); };
      socket.onopen = () => {
        clearTimeout(late);
        if (!alive()) return socket.close();
        opened = true;
        socket.send(JSON.stringify({ type: "subscribe", stream_id: "page", execution_id: this.id, after: this.cursor || undefined }));
        this.become("live");
        this.watch(alive, () => socket.readyState === 1 && socket.send('{"type":"ping"}'));
      };
      socket.onmessage = (message) => {
        if (!alive()) return;
        this.heard = Date.now();
        const said = JSON.parse(message.data);
        if (said.type === "stream_update") this.event(said.data);
        else if (said.type === "stream_complete") { outcome = "ended"; finish(outcome); socket.close(); }
        else if (said.type === "error") {
          const code = said.error && said.error.code;
          if (code === "unknown_execution") { clearTimeout(late); reject(new Refused(404, said)); }
          else if (code === "invalid_cursor") { clearTimeout(late); reject(new Refused(400, said)); }
          else socket.close();
        }
      };
      socket.onclose = () => finish(outcome);
    });
  }
  async sse(alive) {
    this.via = "SSE";
    const ends = new AbortController();
    this.close = () => ends.abort();
    const path = "stream/pipeline/" + encodeURIComponent(this.id) + (this.cursor ? "?after=" + encodeURIComponent(this.cursor) : "");
    const late = setTimeout(() => ends.abort(), 8000);
    const response = await fetch(url(path), { signal: ends.signal, cache: "no-store", headers: { Accept: "text/event-stream" } });
    clearTimeout(late);
    if (response.status === 204) return "ended";
    if (!response.ok) throw new Refused(response.status, await response.json().catch(() => null));
    if (!alive()) return "lost";
    this.become("live");
    this.watch(alive);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "", data = [], last = null;
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done || !alive()) break;
        this.heard = Date.now();
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          if (line.startsWith("data:")) data.push(line.slice(5));
          else if (line === "" && data.length) { last = JSON.parse(data.join("\n")); data = []; this.event(last); }
        }
      }
    } catch { /* broken off: the same as an end without a terminal event */ }
    return last && TERMINAL[last.event_type] ? "ended" : "lost";
  }
  async poll(alive) {
    this.via = "polling";
    const ends = new AbortController();
    this.close = () => ends.abort();
    for (let worked = false; ; worked = true) {
      let answer;
      try {
        const after = this.cursor ? "&after=" + encodeURIComponent(this.cursor) : "";
        answer = await ask("api/executions/" + encodeURIComponent(this.id) + "/events?limit=500&wait=" + (worked ? 15 : 0) + after, { signal: ends.signal, patience: 30000 });
      } catch (error) {
        if (error instanceof Refused) throw error;
        return worked ? "lost" : "refused";
      }
      if (!alive()) return "lost";
      if (this.state !== "live") this.become("live");
      const told = answer.events.some((event) => event.event_type === "gap");
      if (answer.recovered === false && !told)
        this.event({ event_type: "gap", sequence: null, cursor: this.cursor, timestamp: new Date().toISOString(), step_id: null, data: { requested: this.cursor, first_available: answer.first_available, missed: null } });
      for (const event of answer.events) this.event(event);
      if (answer.cursor) this.cursor = answer.cursor;
      if (answer.events.some((event) => TERMINAL[event.event_type])) return "ended";
      if (!answer.events.length && worked) {
        const record = await ask("api/executions/" + encodeURIComponent(this.id)).catch(() => null);
        if (record && ENDED.has(record.status) && record.last_cursor === this.cursor) return "ended";
      }
    }
  }
}
