"use strict";
/* What a person tells an execution that has not asked: a message to a node that takes one, and what is to be
   cancelled. Nothing is shown as said before the log says that it was. */
async function tell(step, value, button, why) {
  put(why, ""); button.disabled = true;
  try {
    await ask("api/executions/" + encodeURIComponent(run.id) + "/inputs", { method: "POST", body: { value, to: step } });
    return true;
  } catch (error) {
    put(why, reason(error));
    lookAgain();
    return false;
  } finally { button.disabled = false; }
}
const AWAY = "The server does not answer.";
function reason(error) { return error instanceof Refused ? error.message : AWAY; }

function steer(out) {
  const form = el("form", "steer"), label = el("label", "vh", "Message to " + out.step), text = el("textarea"), send = el("button", "primary", "Send"), stop = el("button", "danger", "Stop answering"), why = el("span", "bad");
  text.id = "say-" + out.step; label.htmlFor = text.id; text.rows = 1; text.placeholder = "Message to " + out.step + " …"; text.maxLength = 100000;
  send.type = "submit"; stop.type = "button"; stop.title = "What came stays; the rest of the answer and its calls are cancelled"; why.setAttribute("role", "alert");
  form.append(label, text, send, stop, why); form.hidden = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const message = text.value;
    if (!message.trim() || send.disabled) return;
    if (await tell(out.step, message, send, why)) { if (text.value === message) text.value = ""; grow(); }
    text.focus();
  });
  text.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); } });
  const grow = () => { text.rows = Math.min(6, text.value.split("\n").length); };
  text.addEventListener("input", grow);
  stop.addEventListener("click", () => tell(out.step, { type: "cancel_turn" }, stop, why));
  return { form, paint(talk) {
    const listens = run.listens.has(out.step);
    if (form.hidden !== !listens) form.hidden = !listens;
    stop.hidden = !talk.writing && !talk.calls.size;
  } };
}
