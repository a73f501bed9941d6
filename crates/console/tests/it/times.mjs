// node times.mjs TIME_JS LANG NOW INSTANT...: a line for each instant, as the script writes it into a page: clock|span|relative.
import { readFile } from "node:fs/promises";

const [timeJs, lang, now, ...instants] = process.argv.slice(2);
// A page's elements, as far as the script looks at them. Its clock stands still.
const element = (kind, at) => ({
  kind, dataset: { time: kind }, textContent: "", title: "",
  getAttribute: (name) => (name === "datetime" ? at : null),
});
const lines = instants.map((at) => ["clock", "span", "ago"].map((kind) => element(kind, at)));
globalThis.document = {
  documentElement: { lang }, body: { dataset: { now } }, hidden: false,
  querySelectorAll: (selector) => (selector === "[data-time]" ? lines.flat() : []),
};
const stopped = Date.now();
Date.now = () => stopped;
globalThis.setInterval = () => 0;
await import(`data:text/javascript,${encodeURIComponent(await readFile(timeJs, "utf8"))}`);
for (const line of lines) console.log(line.map((it) => it.textContent).join("|"));
