"use strict";
/* Forms made from a JSON Schema: of the parameters of a graph, and of what somebody is asked. What no control fits
   is typed as JSON. The server alone decides what is right, and what it says is shown beside the field. */
function plain(schema, root, depth = 0) { // without references, and without the alternative null
  if (!schema || typeof schema !== "object" || depth > 8) return {};
  const { $ref: ref, anyOf, oneOf, allOf, ...own } = schema;
  if (typeof ref === "string") {
    const found = ref.startsWith("#/") ? ref.slice(2).split("/").reduce((at, key) => at && at[key.replace(/~1/g, "/").replace(/~0/g, "~")], root) : null;
    return { ...plain(found, root, depth + 1), ...own };
  }
  if (Array.isArray(allOf) && allOf.length === 1) return { ...plain(allOf[0], root, depth + 1), ...own };
  const some = anyOf || oneOf;
  if (Array.isArray(some)) {
    const parts = some.map((part) => plain(part, root, depth + 1)), real = parts.filter((part) => part.type !== "null");
    const nullable = real.length < parts.length;
    if (real.length === 1) return { ...real[0], ...own, nullable };
    if (real.length && real.every((part) => part.enum)) return { ...own, enum: real.flatMap((part) => part.enum), nullable };
    return { ...own, nullable, text: real.some((part) => part.type === "string") };
  }
  if ("const" in own) return { ...own, enum: [own.const] };
  if (Array.isArray(own.type)) {
    const real = own.type.filter((type) => type !== "null");
    return { ...own, type: real.length === 1 ? real[0] : undefined, text: real.includes("string"), nullable: real.length < own.type.length };
  }
  return own;
}
function kindOf(schema) {
  if (Array.isArray(schema.enum)) return "enum";
  return ["boolean", "integer", "number", "string"].includes(schema.type) ? schema.type : "json";
}
class NotAnAnswer extends Error {}

/* One value: its control, and how it is read. A value that may be left out reads as undefined. */
function control(given, required, root, { long = false } = {}) {
  const schema = plain(given, root || given), kind = kindOf(schema), start = schema.default;
  let input;
  if (kind === "enum" || (kind === "boolean" && schema.nullable)) {
    input = el("select");
    if (!required || start === undefined) input.append(new Option(required ? "choose …" : "", ""));
    for (const choice of schema.enum || [true, false]) input.append(new Option(word(choice), JSON.stringify(choice)));
    if (start !== undefined && start !== null) input.value = JSON.stringify(start);
  } else if (kind === "boolean") { input = el("input"); input.type = "checkbox"; input.checked = Boolean(start); }
  else {
    input = el(long && (kind === "json" || (kind === "string" && !schema.format)) ? "textarea" : "input");
    if (input.tagName === "TEXTAREA") input.rows = kind === "json" ? 4 : 2;
    if (kind === "integer" || kind === "number") {
      input.type = "number"; input.step = kind === "integer" ? "1" : "any";
      for (const [name, least] of [["min", schema.minimum], ["max", schema.maximum]]) if (typeof least === "number") input[name] = least;
    }
    if (schema.format === "date") input.type = "date";
    if (schema.format === "password" || schema.writeOnly) { input.type = "password"; input.autocomplete = "off"; }
    if (typeof schema.maxLength === "number") input.maxLength = schema.maxLength;
    if (start !== undefined && start !== null) input.value = typeof start === "object" ? JSON.stringify(start) : String(start);
    if (kind === "json") { input.placeholder = schema.text ? "text or JSON" : { array: "a list as JSON", object: "an object as JSON" }[schema.type] || "JSON"; input.classList.add("mono"); input.spellcheck = false; }
  }
  if (kind !== "boolean" || schema.nullable) input.required = required;
  const read = () => {
    if (input.type === "checkbox") return input.checked;
    if (input.value === "" && (kind !== "string" || !required)) return undefined;
    if (kind === "enum" || kind === "boolean") return JSON.parse(input.value);
    if (kind === "integer" || kind === "number") return Number(input.value);
    if (kind === "string") return input.value;
    try { return JSON.parse(input.value); } catch (error) {
      if (schema.text) return input.value;
      throw new NotAnAnswer("this is not JSON: " + error.message);
    }
  };
  return { input, read, schema, kind };
}
function word(choice) { return choice === true ? "yes" : choice === false ? "no" : typeof choice === "string" ? choice : JSON.stringify(choice); }

/* A control with its label, what is said about it, and what is wrong with it. */
function field(key, given, required, root, id, options = {}) {
  const made = control(given, required, root, options), { input, schema } = made;
  const box = el("div", "field"), title = schema.title && schema.title.toLowerCase() !== key.replace(/_/g, " ") ? schema.title : key;
  const label = el("label", "", title + (required && !options.only ? " *" : "")), hint = el("span", "hint", cut(schema.description || "", 300)), bad = el("span", "bad");
  input.id = id; input.name = key; label.htmlFor = id; hint.id = id + "-hint"; bad.id = id + "-bad"; bad.setAttribute("role", "alert");
  input.setAttribute("aria-describedby", hint.id + " " + bad.id);
  hint.hidden = !schema.description;
  box.append(label, input, hint, bad);
  const complain = (text) => { put(bad, text); if (text) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid"); };
  return { ...made, box, bad, complain };
}
