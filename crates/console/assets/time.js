// Times: the server writes them in UTC; here they get the reader's zone, and "41 min ago" stays true. The words are the server's own
// (crates/console/src/shown/when.rs): who changes one of the two changes the other.
const french = document.documentElement.lang === "fr";
const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const parts = new Intl.DateTimeFormat("en-CA", {
  timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3,
});
// The server's clock counts: this machine's may be wrong.
let ahead = Date.parse(document.body.dataset.now) - Date.now();

export const now = () => Date.now() + ahead;

/** The page was made anew at this instant of the server. */
export function madeAt(iso) {
  const at = Date.parse(iso);
  if (!Number.isNaN(at)) ahead = at - Date.now();
}

export function span(ms) {
  const s = Math.floor(ms / 1000), min = Math.floor(s / 60), h = Math.floor(min / 60), d = Math.floor(h / 24);
  const two = (much, unit, rest, smaller) => rest ? `${much} ${unit} ${rest} ${smaller}` : `${much} ${unit}`;
  const text = ms < 1000 ? `${Math.floor(ms)} ms` : s < 120 ? `${s} s` : min < 60 ? `${min} min`
    : h < 24 ? two(h, "h", min % 60, "min") : two(d, french ? "j" : "d", h % 24, "h");
  return text.replaceAll(" ", "\u00a0");
}

function here(at) {
  const of = Object.fromEntries(parts.formatToParts(at).map(({ type, value }) => [type, value]));
  const clock = `${of.hour}:${of.minute}:${of.second}`;
  return { clock, exact: `${of.year}-${of.month}-${of.day} ${clock}.${of.fractionalSecond} (${zone})` };
}

function said(kind, at) {
  if (kind === "clock") return here(at).clock;
  const text = span(Math.abs(now() - at));
  if (kind === "span") return text;
  if (at <= now()) return french ? `il y a ${text}` : `${text} ago`;
  return french ? `dans ${text}` : `in ${text}`;
}

/** Writes the times inside `root`. */
export function tell(root = document) {
  for (const element of root.querySelectorAll("[data-time]")) {
    const at = Date.parse(element.getAttribute("datetime") || element.dataset.at);
    if (Number.isNaN(at)) continue;
    const text = said(element.dataset.time, at);
    if (element.textContent !== text) element.textContent = text;
    if (element.title !== undefined && !element.dataset.told) element.title = here(at).exact;
    element.dataset.told = "";
  }
}

for (const element of document.querySelectorAll("[data-zone]")) {
  element.textContent = french ? `Heures : ${zone}` : `Times: ${zone}`;
}
tell();
setInterval(() => { if (!document.hidden) tell(); }, 1000);
