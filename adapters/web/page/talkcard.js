"use strict";
/* Draws what was said in the order it was: a block is made once, and changed only where it has changed. */
const MARKS = { running: ["●", "running"], done: ["✓", "done"], failed: ["✗", "failed"], cancelled: ["–", "cancelled"] };

function paintTalk(card, out) {
  const talk = out.talk;
  if (card.talk !== talk) {
    card.talk = talk; card.drawn = new Map(); card.steer = steer(out);
    card.said = el("div", "talk"); card.said.tabIndex = 0; card.said.setAttribute("role", "group"); card.said.setAttribute("aria-label", "What " + out.step + " said");
    card.earlier = el("p", "muted note"); card.joining = el("ul", "joining"); card.joining.setAttribute("aria-label", "Sent, and not joined yet");
    card.said.append(card.earlier); card.body.replaceChildren(card.said, card.joining, card.steer.form);
  }
  const down = card.said.scrollTop + card.said.clientHeight >= card.said.scrollHeight - 30;
  put(card.earlier, talk.lost ? number(talk.lost) + " earlier parts are not shown" : ""); card.earlier.hidden = !talk.lost;
  const present = new Set(talk.blocks), writing = talk.writing && !ENDED.has(run.status);
  for (const [block, parts] of card.drawn) if (!present.has(block)) { parts.node.remove(); card.drawn.delete(block); }
  for (const block of talk.blocks) {
    let parts = card.drawn.get(block);
    if (!parts) { parts = BLOCKS[block.kind](block, out); card.drawn.set(block, parts); card.said.append(parts.node); }
    if (parts.finish && !parts.finished && !(writing && block === talk.blocks.at(-1))) { parts.finished = true; parts.gone = block.gone; parts.paint(); parts.finish(); }
    if (parts.finished && parts.gone !== block.gone) { parts.gone = block.gone; parts.node.textContent = block.text; }
    if (parts.finished) continue;
    if (parts.version !== block.version || block.state === "running") { parts.version = block.version; if (parts.paint) parts.paint(); }
  }
  card.said.hidden = !talk.blocks.length && !writing;
  card.said.classList.toggle("writing", writing); card.said.setAttribute("aria-busy", String(writing));
  if (down) card.said.scrollTop = card.said.scrollHeight;
  if (card.joins !== talk.pending.join("\n")) {
    card.joins = talk.pending.join("\n");
    card.joining.replaceChildren(...talk.pending.map((text) => el("li", "", "joins the next turn: " + text)));
  }
  card.steer.paint(talk);
}
function growing(block) { // text nodes only ever get what is new
  const ink = document.createTextNode("");
  let drawn = 0, gone = 0;
  return [ink, () => {
    if (gone !== block.gone || block.text.length < drawn) ink.data = block.text;
    else ink.appendData(block.text.slice(drawn));
    drawn = block.text.length; gone = block.gone;
  }];
}
const BLOCKS = {
  text(block) {
    const node = el("div", "said"), [ink, paint] = growing(block);
    node.append(ink);
    return { node, paint, finish() { if (block.text.length < 100000) node.replaceChildren(...marked(block.text)); } };
  },
  reasoning(block) {
    const node = el("details", "thought"), title = el("summary"), text = el("div", "plain"), [ink, grow] = growing(block);
    text.append(ink); node.append(title, text);
    return { node, paint() { grow(); put(title, "thoughts · " + number(block.text.length + block.gone) + " characters"); text.scrollTop = text.scrollHeight; } };
  },
  message(block) {
    const node = el("div", "bubble");
    node.append(el("span", "vh", "A message: "), block.text);
    return { node };
  },
  note(block) { return { node: el("div", "aside-note" + (block.bad ? " bad" : ""), block.text) }; },
  call(block, out) { return callOf(block, out); },
};
/* What of Markdown makes plain text easier to read: code, bold words, headings. Every node is made of text. */
function marked(text) {
  return text.split(/^```[^\n]*\n([\s\S]*?)\n```[ \t]*$\n?/m).flatMap((part, i) => {
    if (i % 2) return [el("pre", "", part)];
    const nodes = [];
    let at = 0;
    for (const found of part.matchAll(/\*\*([^*\n]+)\*\*|`([^`\n]+)`|^#{1,6} +(.+)$/gm)) {
      nodes.push(part.slice(at, found.index), found[2] === undefined ? el("b", "", found[1] ?? found[3]) : el("code", "", found[2]));
      at = found.index + found[0].length;
    }
    return [...nodes, part.slice(at)];
  });
}
function callOf(block, out) {
  const node = el("div", "call"), fold = el("details"), head = el("summary"), mark = el("span", "mark"), gave = el("span", "gave"), took = el("span", "took num");
  const meter = el("div", "meter"), fill = el("i"), asked = el("pre", "plain asked"), heard = el("pre", "plain heard"), result = el("pre", "plain result"), picture = el("img");
  const stop = el("button", "danger small", "Cancel"), why = el("span", "bad");
  let byHand = false, shown = "";
  mark.setAttribute("role", "img");
  head.append(mark, el("b", "", cut(block.name, 60)), el("span", "given mono", given(block.given)), gave, took);
  head.addEventListener("click", () => { byHand = true; });
  meter.append(fill); meter.setAttribute("role", "progressbar"); meter.setAttribute("aria-label", "Progress of " + block.name);
  put(asked, told(block.given) ? "" : pretty(alone(block.given))); asked.hidden = !asked.textContent;
  heard.tabIndex = 0; heard.setAttribute("aria-label", "Output of " + block.name);
  picture.hidden = true; why.setAttribute("role", "alert");
  fold.append(head, asked, heard, result); node.append(fold, stop, why, meter, picture); node.dataset.call = block.id;
  stop.type = "button"; stop.setAttribute("aria-label", "Cancel the call of " + block.name);
  stop.addEventListener("click", () => tell(out.step, { type: "cancel_call", id: block.id }, stop, why));
  function paint() {
    const [sign, word] = MARKS[block.state], running = block.state === "running";
    if (node.dataset.state !== block.state) {
      node.dataset.state = block.state; put(mark, sign); mark.setAttribute("aria-label", word);
      if (!running && !byHand) fold.open = false;
    }
    if (running && block.length && !byHand) fold.open = true;
    stop.hidden = !running || !run.listens.has(out.step); if (!running) put(why, "");
    put(took, block.began && (running || block.ended) ? brief((running ? now() : block.ended) - block.began) : "");
    put(gave, running ? block.doing || "" : outcome(block));
    meter.hidden = !running || block.percentage === null;
    fill.style.transform = "scaleX(" + Math.max(0, Math.min(100, block.percentage || 0)) / 100 + ")";
    meter.setAttribute("aria-valuenow", String(Math.round(block.percentage || 0)));
    const version = block.version + ":" + block.state;
    if (version === shown) return;
    shown = version;
    heard.hidden = !block.length;
    const down = heard.scrollTop + heard.clientHeight >= heard.scrollHeight - 30;
    heard.replaceChildren(block.gone ? el("span", "muted", number(block.gone) + " earlier characters are not shown\n") : "",
      ...block.pieces.map((piece) => el("span", piece.channel === "stderr" ? "err" : "", piece.text)));
    if (down) heard.scrollTop = heard.scrollHeight;
    put(result, running ? "" : block.error ? String(block.error.message) : block.length ? "" : cut(pretty(block.value), 8000));
    result.hidden = !result.textContent;
    const href = running ? "" : imageIn(block.value);
    if (href && picture.hidden) { picture.src = href; picture.alt = "What " + block.name + " gave"; picture.hidden = false; }
  }
  return { node, paint };
}
function pretty(value) { return typeof value === "string" ? value : value === undefined ? "" : cut(JSON.stringify(value, null, 1), 20000); }
function told(value) { // whether the line above says all of it
  const values = value && typeof value === "object" ? Object.values(value) : [];
  return values.length === 0 || (values.length === 1 && typeof values[0] === "string" && values[0].length < 60 && !values[0].includes("\n"));
}
function alone(value) { // the only argument, if it is a text
  const values = value && typeof value === "object" && !Array.isArray(value) ? Object.values(value) : [];
  return values.length === 1 && typeof values[0] === "string" ? values[0] : value;
}
function given(value) { // one argument says itself; of several each says its name
  if (value === undefined || value === null) return "";
  if (typeof value !== "object" || Array.isArray(value)) return show(value, 200);
  const only = alone(value);
  return typeof only === "string" ? cut(only, 200) : cut(Object.entries(value).map(([k, v]) => k + "=" + show(v, 80)).join(" "), 200);
}
function outcome(call) {
  if (call.error) return cut(call.error.message || call.error.code || "failed", 200);
  const value = call.value;
  if (value && typeof value === "object" && typeof value.exit_code === "number") return value.exit_code || call.state === "failed" ? "exit code " + value.exit_code : "";
  if (value && typeof value === "object" && value.signal) return "ended by " + value.signal;
  if (typeof call.brief === "string" && call.brief) return cut(call.brief.split("\n")[0], 160);
  return value === undefined || value === null ? "" : cut(show(value, 160).split("\n")[0], 160);
}
/* bytes are fetched from this server only, and shown only as what cannot run */
function imageOf(value) {
  if (!value || value.type !== "binary" || !/^image\/(png|jpeg|webp|gif)$/.test(value.media_type || "") || typeof value.href !== "string") return "";
  const href = new URL(value.href, location.href);
  return href.origin === location.origin && href.pathname.startsWith(BASE + "api/executions/") ? href.pathname : "";
}
function imageIn(value) {
  if (!value || typeof value !== "object") return "";
  return imageOf(value) || Object.values(value).slice(0, MAX_KEYS).map(imageOf).find(Boolean) || "";
}
function brief(ms) { const s = Math.max(0, ms) / 1000; return s < 10 ? s.toFixed(1) + " s" : duration(ms); }
