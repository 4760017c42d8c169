"use strict";
/* Draws the graph: layers from left to right, few crossings, unnamed operators inside the node they lead to. */
const drawing = { nodes: new Map(), edges: [] }, members = new Map();
function unnamed(node) { return node.kind === "operator" && !node.published && new RegExp("^" + node.operator.replace(/\W/g, "\\$&") + "(_\\d+)?$").test(node.id.split(".").pop()); }

const ruler = document.createElement("canvas").getContext("2d");
function wide(text, font) { ruler.font = font; return ruler.measureText(text).width; }
const SANS = getComputedStyle(document.documentElement).getPropertyValue("--sans");

/* A run of unnamed operators is drawn as one: inside the named node it leads to, or as a pill of its own. */
function grouped(nodes) {
  const byId = new Map(nodes.map((node) => [node.id, node])), readers = new Map();
  const inputs = (node) => [...new Set(node.inputs || [])].filter((id) => byId.has(id));
  for (const node of nodes) for (const id of inputs(node)) readers.set(id, (readers.get(id) || 0) + 1);
  const joins = (id) => unnamed(byId.get(id)) && readers.get(id) === 1;
  const inner = new Set();
  for (const node of nodes) if (inputs(node).length === 1 && node.kind !== "source" && joins(inputs(node)[0])) inner.add(inputs(node)[0]);
  return nodes.filter((node) => !inner.has(node.id)).map((node) => {
    const members = [node];
    let head = node;
    while (inputs(head).length === 1 && inner.has(inputs(head)[0])) members.unshift((head = byId.get(inputs(head)[0])));
    return { node, members, inputs: inputs(head), small: unnamed(node) };
  });
}

function layout(nodes) {
  const boxes = new Map(grouped(nodes).map(({ node, members, inputs, small }) => {
    const operators = members.map((member) => member.operator).filter(Boolean).join(" · ") || node.kind;
    const label = cut(small ? operators : node.id, 34), sub = small ? "" : cut(operators, 34);
    const width = small ? 24 + wide(label, "500 11.5px " + SANS) : Math.max(128, 42 + wide(label, "600 12.5px " + SANS), 58 + wide(sub, "11px " + SANS));
    return [node.id, { node, members, inputs, small, label, sub, width, height: small ? 28 : 56, rank: 0, order: 0, readers: [] }];
  }));
  for (const box of boxes.values()) for (const id of box.inputs) boxes.get(id).readers.push(box.node.id);
  const waiting = new Map([...boxes].map(([id, box]) => [id, box.inputs.length]));
  const ready = [...boxes.keys()].filter((id) => !waiting.get(id));
  for (let i = 0; i < ready.length; i++) {
    const box = boxes.get(ready[i]);
    for (const id of box.readers) {
      const reader = boxes.get(id);
      reader.rank = Math.max(reader.rank, box.rank + 1);
      waiting.set(id, waiting.get(id) - 1);
      if (!waiting.get(id)) ready.push(id);
    }
  }
  /* a source stands just before what reads it first */
  for (const box of boxes.values())
    if (!box.inputs.length && box.readers.length) box.rank = Math.min(...box.readers.map((id) => boxes.get(id).rank)) - 1;
  /* an edge over several layers goes through a place of its own in each, so that no box lies on it */
  const edges = [], bends = new Map();
  for (const box of [...boxes.values()])
    for (const id of box.inputs) {
      const way = [id];
      for (let rank = boxes.get(id).rank + 1; rank < box.rank; rank++) {
        const name = id + "\n" + box.node.id + "\n" + rank;
        bends.set(name, { bend: true, node: { id: name }, inputs: [], readers: [], width: 0, height: 10, rank, order: 0 });
        way.push(name);
      }
      edges.push([...way, box.node.id]);
    }
  for (const box of boxes.values()) { box.inputs = []; box.readers = []; }
  for (const [id, bend] of bends) boxes.set(id, bend);
  for (const way of edges) for (let i = 1; i < way.length; i++) { boxes.get(way[i]).inputs.push(way[i - 1]); boxes.get(way[i - 1]).readers.push(way[i]); }
  const layers = [];
  for (const box of boxes.values()) (layers[box.rank] = layers[box.rank] || []).push(box);
  for (let i = 0; i < layers.length; i++) layers[i] = layers[i] || [];
  layers.forEach((layer) => layer.forEach((box, i) => (box.order = i)));
  /* few crossings: each box goes to the mean place of its neighbours, forwards and backwards in turn */
  for (let sweep = 0; sweep < 8; sweep++) {
    const forwards = sweep % 2 === 0;
    for (const layer of forwards ? layers : [...layers].reverse()) {
      for (const box of layer) {
        const near = (forwards ? box.inputs : box.readers).map((id) => boxes.get(id).order);
        box.pull = near.length ? near.reduce((a, b) => a + b, 0) / near.length : box.order;
      }
      layer.sort((a, b) => a.pull - b.pull || a.order - b.order).forEach((box, i) => (box.order = i));
    }
  }
  const GAP_X = 38, GAP_Y = 16;
  let x = 0;
  for (const layer of layers) {
    const width = Math.max(0, ...layer.map((box) => box.width));
    for (const box of layer) { if (box.bend) box.width = width; box.x = x + (width - box.width) / 2; }
    let y = 0;
    for (const box of layer) { box.y = y; y += box.height + GAP_Y; }
    x += width + GAP_X;
  }
  /* straighten: pull each box towards its neighbours' middle while keeping the order */
  for (let sweep = 0; sweep < 12; sweep++) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      for (const box of layer) {
        const near = (sweep % 2 ? box.readers : box.inputs).concat(sweep < 6 ? [] : sweep % 2 ? box.inputs : box.readers).map((id) => { const other = boxes.get(id); return other.y + other.height / 2; });
        if (near.length) box.y = near.reduce((a, b) => a + b, 0) / near.length - box.height / 2;
      }
      for (let pass = 0; pass < 2; pass++) {
        for (let i = 1; i < layer.length; i++) {
          const over = layer[i - 1].y + layer[i - 1].height + GAP_Y - layer[i].y;
          if (over > 0) { layer[i].y += over / (pass ? 1 : 2); if (!pass) for (let k = i - 1; k >= 0; k--) layer[k].y -= over / 2; }
        }
      }
    }
  }
  const all = [...boxes.values()];
  const top = Math.min(...all.map((box) => box.y));
  for (const box of all) box.y -= top;
  return { boxes, edges, width: Math.max(1, x - GAP_X), height: Math.max(1, ...all.map((box) => box.y + box.height)) };
}

function draw(plan) {
  const { boxes, edges, width, height } = layout(plan);
  const PAD = 8;
  const picture = svg("svg", { role: "group", "aria-label": "Graph of " + plan.length + " nodes" });
  picture.setAttribute("viewBox", [-PAD, -PAD, width + 2 * PAD, height + 2 * PAD].join(" "));
  members.clear();
  drawing.nodes.clear(); drawing.edges = []; drawing.size = [width + 2 * PAD, height + 2 * PAD]; drawing.picture = picture;
  for (const way of edges) {
    const start = boxes.get(way[0]);
    let x1 = start.x + start.width, y1 = start.y + start.height / 2, line = `M${x1} ${y1}`;
    for (const id of way.slice(1)) {
      const box = boxes.get(id), x2 = box.x, y2 = box.y + box.height / 2, bow = Math.max(14, (x2 - x1) / 2);
      line += ` C${x1 + bow} ${y1} ${x2 - bow} ${y2} ${x2} ${y2}`;
      x1 = x2 + box.width; y1 = y2;
      if (box.bend) line += ` H${x1}`;
    }
    const path = svg("path", { class: "edge", d: line, "aria-hidden": "true" });
    drawing.edges.push({ line: path, from: way[0] });
    picture.append(path);
  }
  for (const [id, box] of boxes) {
    if (box.bend) continue;
    const { node, small, width: w, height: h } = box;
    const group = svg("g", { class: "node" + (small ? " small" : "") + (node.published ? " published" : ""), "data-kind": node.kind || "operator", "data-node": id, transform: `translate(${box.x} ${box.y})`, tabindex: "0", role: "button" });
    group.append(svg("rect", { class: "box", width: w, height: h, rx: small ? 14 : 10 }), svg("rect", { class: "flash", width: w, height: h, rx: small ? 14 : 10 }));
    const parts = { group, box, flash: group.lastChild, seen: 0, shown: "" };
    if (small) group.append(svg("text", { x: w / 2, y: 18.5, "text-anchor": "middle" }, box.label));
    else {
      group.append(svg("circle", { class: "mark", cx: 16, cy: 18, r: 4.5 }), svg("text", { x: 27, y: 22.5 }, box.label),
        svg("text", { class: "sub", x: 12, y: 40 }, box.sub === id ? node.kind : box.sub));
      parts.count = svg("text", { class: "count", x: w - 12, y: 40, "text-anchor": "end" });
      parts.track = svg("rect", { class: "track", x: 12, y: 47, width: w - 24, height: 4, rx: 2 });
      parts.bar = svg("rect", { class: "bar", x: 12, y: 47, width: 0, height: 4, rx: 2 });
      parts.track.setAttribute("visibility", "hidden"); parts.bar.setAttribute("visibility", "hidden");
      group.append(parts.count, parts.track, parts.bar);
    }
    const hint = box.members.map((member) => [member.id + (member.operator && member.operator !== member.id ? " · " + member.operator : ""),
      ...Object.entries(member.arguments || {}).map(([k, v]) => "   " + k + " = " + show(v, 80)), member.where ? "   " + member.where : ""].filter(Boolean).join("\n")).join("\n");
    members.set(id, new Set(box.members.map((member) => member.id)));
    group.prepend(svg("title", {}, hint));
    const choose = () => { $("by-node").value = $("by-node").value === id ? "" : id; filterChanged(); };
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } });
    drawing.nodes.set(id, parts);
    picture.append(group);
  }
  $("drawing").replaceChildren(picture);
  fit();
}
function fit() {
  if (!drawing.picture) return;
  const room = $("drawing").clientWidth - 26, [w, h] = drawing.size;
  const scale = Math.max(0.62, Math.min(1.15, room / w));
  drawing.picture.setAttribute("width", w * scale);
  drawing.picture.setAttribute("height", h * scale);
}
