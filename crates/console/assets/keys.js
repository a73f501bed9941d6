// Keys, for those who want them. None sends a call: they move the focus, and follow links.
const OFF = "console-keys-off", dialog = document.getElementById("keys"), opener = document.getElementById("keys-open");
const isOff = () => localStorage.getItem(OFF) === "yes";
let gone = 0;

const rows = () => [...document.querySelectorAll("[data-row]")];
const current = () => document.activeElement?.closest?.("[data-row]");

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  (next.querySelector("a") ?? next).focus();
  next.scrollIntoView({ block: "nearest" });
}

function target(key) {
  const it = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!it) return false;
  it.focus();
  it.scrollIntoView({ block: "nearest" });
  return true;
}

function press(key) {
  if (gone && Date.now() - gone < 1500) {
    gone = 0;
    const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (link) { link.click(); return true; }
  }
  const row = current();
  switch (key) {
    case "/": return target("search");
    case "g": gone = Date.now(); return true;
    case "j": move(1); return true;
    case "k": move(-1); return true;
    case "o": row?.querySelector("a")?.click(); return Boolean(row);
    case "x": row?.querySelector("input[type=checkbox]")?.click(); return Boolean(row);
    case "n": { const next = document.querySelector("[data-key=n]"); next?.click(); return Boolean(next); }
    case "c": { const copy = (row ?? document).querySelector("[data-copy]"); copy?.click(); return Boolean(copy); }
    case "r": case "1": return target(key);
    case "?": dialog?.showModal(); return Boolean(dialog);
    default: return false;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const on = event.target;
  if (on.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName) && !/^(checkbox|radio)$/.test(on.type)) return;
  if (isOff() || dialog?.open) return;
  if (press(event.key)) event.preventDefault();
});

if (dialog && opener) {
  opener.hidden = false;
  opener.addEventListener("click", () => dialog.showModal());
  const box = dialog.querySelector("input[type=checkbox]");
  box.checked = !isOff();
  box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "no" : "yes"));
}
