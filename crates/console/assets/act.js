// Buttons: copying, ticking all, and forms that are sent once.
const say = (text) => { document.getElementById("say").textContent = text; };

/** Draws the buttons inside `root` that only a script can serve. */
export function wire(root = document) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
  for (const box of root.querySelectorAll("[data-all][hidden]")) box.hidden = false;
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const word = button.textContent;
  button.textContent = button.dataset.done;
  say(button.dataset.done);
  setTimeout(() => { button.textContent = word; }, 1500);
}

function count(form) {
  const ticked = form.querySelectorAll("input[type=checkbox][name=saga]:checked").length;
  for (const element of form.querySelectorAll("[data-ticked]")) {
    element.hidden = ticked === 0;
    element.textContent = element.dataset.ticked.replace("#", ticked);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) copy(button).catch(() => {});
});

document.addEventListener("change", (event) => {
  const box = event.target, form = box.form;
  if (!form || box.type !== "checkbox") return;
  if ("all" in box.dataset) {
    for (const other of form.querySelectorAll("input[type=checkbox][name=saga]")) other.checked = box.checked;
  }
  count(form);
});

// A second click does nothing: the first one's answer is on its way. The server would not do it twice either.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; });
});

// A page that the browser kept, and shows again, has forms that may be sent again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.forms) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
});

wire();
