// Live updates. The server says that something has changed (`/console/events`); the page is fetched again from its own address, and the
// parts whose content differs are swapped by their keys. So one program writes pages: the server's.
//
// Swapped: `data-live`. Rows of `data-rows`: those that are there are swapped, new ones are counted, those that are gone are dimmed.
// Never: inputs, the focus, the scroll position, the order of rows.
import { madeAt, tell } from "./time.js";
import { wire } from "./act.js";

const LEAST_MS = 1000, MOST_MS = 30000, HIDDEN_MS = 60000, SHARE = 30, POLITE_MS = 10000;
const page = document.querySelector("[data-events]"), mark = document.getElementById("live");
let source, last, retry = LEAST_MS, timer, hidden, looked, cost = 0, fetched = Date.now(), running = false, again = false, spoke = 0;

function show(live) {
  mark.textContent = live ? mark.dataset.on : mark.dataset.off.replace("#", new Date(fetched).toTimeString().slice(0, 8));
}

function say(text) {
  if (Date.now() - spoke < POLITE_MS) return;
  spoke = Date.now();
  document.getElementById("say").textContent = text;
}

function listen() {
  clearTimeout(timer);
  if (source || document.hidden) return;
  const query = new URLSearchParams(page.dataset.events);
  query.set("every", query.has("id") ? "1s" : "4s");
  if (last) query.set("after", last);
  source = new EventSource(`/console/events?${query}`);
  source.onopen = () => { retry = LEAST_MS; show(true); };
  source.onmessage = (event) => { last = event.lastEventId || last; soon(); };
  source.onerror = () => {
    stop();
    // The page may say why: the session is over.
    soon();
    timer = setTimeout(listen, retry * (0.5 + Math.random() / 2));
    retry = Math.min(retry * 2, MOST_MS);
  };
}

function stop() {
  source?.close();
  source = undefined;
  show(false);
}

/** Fetches the page: at most once a second, and for no more than a small share of the time. */
function soon() {
  if (running) { again = true; return; }
  running = true;
  setTimeout(async () => {
    again = false;
    try { await refresh(); } catch { show(false); }
    running = false;
    if (again) soon();
  }, Math.max(0, fetched + Math.max(LEAST_MS, cost * SHARE) - Date.now()));
}

async function refresh() {
  const began = Date.now();
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) return location.reload();
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  fetched = Date.now();
  cost = fetched - began;
  madeAt(fresh.body.dataset.now);
  swap(fresh);
  if (source) show(true);
}

const keyed = (root, name) => new Map([...root.querySelectorAll(`[data-${name}]`)].map((it) => [it.dataset[name], it]));

function put(old, fresh) {
  // What the server wrote is compared, not what time.js made of it.
  const text = fresh.outerHTML;
  if (old.written === text || (old.written === undefined && bare(old) === bare(fresh))) return false;
  if (old.contains(document.activeElement) && document.activeElement !== document.body) return false;
  if (old.querySelector("details[open],input:checked")) return false;
  const made = document.importNode(fresh, true);
  made.written = text;
  old.replaceWith(made);
  tell(made.parentNode);
  wire(made.parentNode);
  return true;
}

function bare(element) {
  const copy = element.cloneNode(true);
  for (const it of [copy, ...copy.querySelectorAll("*")]) { it.removeAttribute("title"); it.removeAttribute("data-told"); it.removeAttribute("hidden"); }
  for (const it of copy.querySelectorAll("[data-time]")) it.textContent = "";
  return copy.outerHTML;
}

function swap(fresh) {
  const parts = keyed(fresh, "live");
  for (const [key, old] of keyed(document, "live")) {
    const part = parts.get(key);
    if (part && old.isConnected) put(old, part);
  }
  const lists = keyed(fresh, "rows");
  for (const [name, list] of keyed(document, "rows")) if (lists.has(name)) rows(name, list, lists.get(name));
  // Some of what a page shows is no event: while that goes on, the page says how often to look.
  const poll = fresh.querySelector("[data-events]")?.dataset.poll;
  if (poll && !document.hidden) { clearTimeout(looked); looked = setTimeout(soon, poll * 1000); }
  if (document.title !== fresh.title) { document.title = fresh.title; say(fresh.title); }
}

function rows(name, list, fresh) {
  const there = keyed(list, "row"), now = keyed(fresh, "row");
  for (const [key, row] of there) {
    if (now.has(key)) { if (!put(row, now.get(key))) row.classList.remove("gone"); } else row.classList.add("gone");
  }
  const more = [...now.keys()].filter((key) => !there.has(key)).length;
  const button = document.querySelector(`[data-new="${CSS.escape(name)}"]`);
  if (!button) return;
  button.hidden = more === 0;
  button.textContent = button.dataset.many.replace("#", more);
  button.onclick = () => location.reload();
}

if (page && window.EventSource) {
  listen();
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(stop, HIDDEN_MS);
    else if (!source) { listen(); soon(); }
  });
}
