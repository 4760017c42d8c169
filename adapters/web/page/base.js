"use strict";
/* Limits (nothing here grows without one), the few words of the document everything is made of, and how the server
   is asked. */
const MAX_EVENTS = 20000, MAX_TEXT = 1000000, MAX_NODES = 500, MAX_SERIES = 90, MAX_KEYS = 8, MAX_CARDS = 24, MAX_QUESTIONS = 50;
const BASE = location.pathname.endsWith("/") ? location.pathname : location.pathname + "/";
const TERMINAL = { pipeline_complete: "completed", pipeline_error: "failed", pipeline_cancelled: "cancelled" };
const ENDED = new Set(["completed", "failed", "cancelled", "interrupted"]);
const $ = (id) => document.getElementById(id);
const url = (path) => BASE + path;
const still = matchMedia("(prefers-reduced-motion: reduce)");

function el(tag, cls, text) {
  const made = document.createElement(tag);
  if (cls) made.className = cls;
  if (text !== undefined) made.textContent = text;
  return made;
}
function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  if (text !== undefined) made.textContent = text;
  return made;
}
function put(node, text) { if (node.textContent !== text) node.textContent = text; }
function cut(text, n) { return text.length > n ? text.slice(0, n - 1) + "…" : text; }
function show(value, n = 300) {
  if (typeof value === "string") return cut(value, n);
  const text = JSON.stringify(value);
  return cut(text === undefined ? "" : text, n);
}
function number(value) {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 1 });
}
function duration(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 60) return s.toFixed(1) + " s";
  return s < 3600 ? Math.floor(s / 60) + " min " + Math.floor(s % 60) + " s" : Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
}
function ago(iso) {
  const s = (Date.now() - Date.parse(iso)) / 1000;
  if (!(s >= 0)) return "";
  if (s < 60) return "now";
  if (s < 3600) return Math.floor(s / 60) + " min";
  return s < 86400 ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " d";
}

/* The clocks of two machines differ: times of events and questions are the server's. */
let skew = 0;
function now() { return Date.now() + skew; }

class Refused extends Error {
  constructor(status, body) {
    super((body && body.error && body.error.message) || "the server answered " + status);
    this.status = status;
    this.code = body && body.error && body.error.code;
    this.detail = body && body.error && body.error.detail;
  }
}
async function ask(path, { method = "GET", body, signal, patience = 15000 } = {}) {
  const ends = new AbortController(), late = setTimeout(() => ends.abort(), patience);
  if (signal) signal.addEventListener("abort", () => ends.abort(), { once: true });
  try {
    const response = await fetch(url(path), {
      method, signal: ends.signal, cache: "no-store",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const there = Date.parse(response.headers.get("Date") || ""), off = there + 500 - Date.now();
    skew = Math.abs(off) < 2000 || Number.isNaN(off) ? 0 : off;
    const answer = await response.json().catch(() => null);
    if (!response.ok) throw new Refused(response.status, answer);
    return answer;
  } finally { clearTimeout(late); }
}
