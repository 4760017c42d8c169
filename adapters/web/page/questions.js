"use strict";
/* What the execution asks people, and a form for each answer, until somebody has given it. Whoever answers first
   does; for all others the form goes when the log says so. A form keeps what was typed while the server is away. */
const forms = new Map(), MAX_BUTTONS = 4;

function paintQuestions() {
  let open = 0, left = null;
  for (const [id, form] of forms) if (!run.questions.has(id)) left = closed(id, form) || left;
  for (const question of run.questions.values()) {
    let form = forms.get(question.request_id);
    if (!form) {
      form = formOf(question, forms.size); forms.set(question.request_id, form);
      $("questions").append(form.box);
    }
    form.box.hidden = !question.open;
    if (question.open) { open++; form.tick(); }
  }
  $("questions").hidden = !open && $("elsewhere").hidden;
  if (run.waits !== open) {
    run.waits = open;
    put($("asks"), open ? (open === 1 ? "1 question waits" : open + " questions wait") + " for an answer" : "");
  }
  if (left) { const next = $("questions").querySelector("form:not([hidden]) :is(input, select, textarea, button)"); (next || $("main")).focus({ preventScroll: true }); }
}
function closed(id, form) { // whether the focus was in it
  const had = form.box.contains(document.activeElement) || (form.mine && document.activeElement === document.body);
  form.box.remove(); forms.delete(id);
  if (!form.mine && form.touched && !ENDED.has(run.status)) elsewhere("Somebody else has answered “" + cut(form.message, 120) + "”.");
  return had;
}
function elsewhere(text) {
  put($("elsewhere"), text); $("elsewhere").hidden = !text;
  clearTimeout(elsewhere.timer);
  if (text) elsewhere.timer = setTimeout(() => { elsewhere(""); dirty = true; }, 12000);
}
function lineIsBack() { for (const form of forms.values()) form.calm(); }
function forgetQuestions() {
  for (const form of forms.values()) form.box.remove();
  forms.clear(); elsewhere("");
}

function formOf(question, count) {
  const box = el("form", "panel question"), head = el("header"), time = el("span", "left num"), message = el("p", "message", cut(String(question.message), 8000)), why = el("span", "bad"), row = el("div", "row");
  const id = "q-" + question.request_id, root = question.schema || {}, schema = plain(root, root), kind = kindOf(schema);
  const execution = run.id, form = { box, mine: false, touched: false, message: String(question.message) };
  head.append(el("h3", "", (question.step || "it") + " asks"), time); message.id = id;
  box.noValidate = true; box.dataset.request = question.request_id; box.setAttribute("aria-labelledby", id);
  why.setAttribute("role", "alert");
  box.append(head, message);
  let fields = new Map(), read = null;
  const buttons = [], one = kind === "boolean" || (kind === "enum" && schema.enum.length <= MAX_BUTTONS) ? schema.enum || [true, false] : null;
  if (one) {
    one.forEach((choice, i) => {
      const button = el("button", i ? "" : "primary", kind === "boolean" ? (choice ? "Yes" : "No") : word(choice));
      button.type = "button"; button.addEventListener("click", () => give(choice));
      buttons.push(button);
    });
    if (schema.nullable) { const none = el("button", "", "none of these"); none.type = "button"; none.addEventListener("click", () => give(null)); buttons.push(none); }
  } else {
    const properties = schema.type === "object" && schema.properties && typeof schema.properties === "object" ? Object.entries(schema.properties).slice(0, 40) : [];
    if (properties.length) {
      const required = new Set(schema.required || []);
      for (const [key, part] of properties) fields.set(key, field(key, part, required.has(key), root, id + "-" + key));
      read = () => Object.fromEntries([...fields].map(([key, each]) => [key, value(each)]).filter(([, given]) => given !== undefined));
    } else {
      const only = field("Answer", { ...root, title: undefined }, !schema.nullable, root, id + "-answer", { long: true, only: true });
      fields.set("", only);
      read = () => { const given = value(only); return given === undefined && schema.nullable ? null : given; };
      if (only.input.tagName === "TEXTAREA" && only.kind === "string")
        only.input.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); box.requestSubmit(); } });
    }
    const submit = el("button", "primary", "Answer"); submit.type = "submit"; buttons.push(submit);
    for (const each of fields.values()) box.append(each.box);
  }
  row.append(...buttons, why); box.append(row);
  box.addEventListener("input", () => { form.touched = true; });
  box.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!read) return;
    let given;
    try { given = read(); } catch (error) { if (error instanceof NotAnAnswer) return; throw error; }
    give(given);
  });
  function value(each) {
    each.complain("");
    try {
      const given = each.input.validity.badInput ? fail("this is not a number") : each.read();
      if (given === undefined && each.input.required) fail("this is needed");
      return given;
    } catch (error) {
      if (error instanceof NotAnAnswer) { each.complain(error.message); each.input.focus(); }
      throw error;
    }
  }
  function fail(text) { throw new NotAnAnswer(text); }
  async function give(given) {
    put(why, ""); form.touched = true; form.mine = true;
    for (const button of buttons) button.disabled = true;
    try {
      await ask("api/executions/" + encodeURIComponent(execution) + "/inputs/" + encodeURIComponent(question.request_id), { method: "POST", body: { value: given } });
      put(why, ""); return; // it goes when the log says so
    } catch (error) {
      form.mine = false;
      let placed = false;
      for (const entry of Array.isArray(error.detail) ? error.detail : []) {
        const name = String(entry.name).replace(/^value\.?/, ""), at = fields.get(name) || fields.get(name.split(".")[0]) || fields.get("");
        if (at) { at.complain(entry.message); if (!placed) at.input.focus(); placed = true; }
      }
      if (!placed) put(why, reason(error));
      lookAgain();
    }
    for (const button of buttons) button.disabled = false;
    if (document.activeElement === document.body) buttons[0].focus();
  }
  form.calm = () => { if (why.textContent === AWAY) put(why, ""); };
  form.tick = () => {
    if (!question.expires_at) return;
    const ms = Date.parse(question.expires_at) - now();
    put(time, ms > 0 ? duration(Math.ceil(ms / 1000) * 1000).replace(".0 s", " s") + " left" : "its time is over");
    box.classList.toggle("urgent", ms < 60000);
  };
  return form;
}
