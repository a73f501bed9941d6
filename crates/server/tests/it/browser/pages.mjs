// Pages of other sites in a real browser, which try to place and cancel orders and to read them; then this server's own
// page, which may. Prints the results as JSON.
//
//     node pages.mjs PLAYWRIGHT CHROMIUM PORT ORDER
//
// PORT is the orchestrator's on the loopback interface, ORDER one that waits for something.

import http from "node:http";

const [playwright, executablePath, port, order] = process.argv.slice(2);
const { chromium } = await import(playwright);

// The other site: an empty page, wherever it is asked for.
const elsewhere = http.createServer((_, answer) => {
  answer.setHeader("content-type", "text/html");
  answer.end("<!doctype html><title>elsewhere</title><iframe name=hidden></iframe>");
});
await new Promise((listening) => elsewhere.listen(0, "127.0.0.1", listening));
const other = elsewhere.address().port;

// A name of the attacker's that leads to this machine: what DNS rebinding comes to.
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
});

// Everything that a page can send without being asked, and whether it could read an answer. Runs in the page.
async function attack([target, order]) {
  const checkout = `${target}/api/commande/checkout`;
  const demand = (what) => `${target}/api/commande/${order}/${what}`;
  const json = JSON.stringify({ client_id: 4, magasin_id: 1 });
  const read = [];
  const fetched = async (what, url, options) => {
    try {
      const answer = await fetch(url, options);
      const text = await answer.text();
      if (answer.ok && text) read.push(`${what}: ${text.slice(0, 100)}`);
    } catch {
      // Refused by the browser.
    }
  };
  const types = ["text/plain", "application/x-www-form-urlencoded", "application/json", undefined];
  for (const mode of ["no-cors", "cors"]) {
    for (const type of types) {
      const headers = type ? { "content-type": type } : {};
      await fetched(`checkout ${mode} ${type}`, checkout, { method: "POST", mode, headers, body: json });
    }
    for (const what of ["annuler", "reprendre", "resoudre"]) {
      await fetched(`${what} ${mode}`, demand(what), { method: "POST", mode });
      await fetched(`${what} ${mode} credentials`, demand(what), { method: "POST", mode, credentials: "include", body: "par=Ana" });
    }
    for (const path of ["/api/commandes", `/api/commande/${order}`, "/metrics", "/openapi.json", "/readyz"]) {
      await fetched(`${path} ${mode}`, target + path, { mode });
    }
  }
  for (const type of ["text/plain", "application/json"]) {
    navigator.sendBeacon(checkout, new Blob([json], { type }));
    navigator.sendBeacon(demand("annuler"), new Blob([], { type }));
  }
  // Forms, whose answers go into a frame.
  for (const enctype of ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]) {
    for (const [action, value] of [[checkout, json], [demand("annuler"), "x"]]) {
      const form = Object.assign(document.createElement("form"), { action, enctype, method: "post", target: "hidden" });
      form.append(Object.assign(document.createElement("input"), { name: value, value: "" }));
      document.body.append(form);
      const loaded = new Promise((over) => document.querySelector("iframe").addEventListener("load", over, { once: true }));
      form.submit();
      await Promise.race([loaded, new Promise((over) => setTimeout(over, 2000))]);
    }
  }
  // Elements that load something.
  for (const [tag, attribute, path] of [["img", "src", "/api/commandes"], ["script", "src", "/openapi.json"], ["link", "href", "/metrics"]]) {
    const element = document.createElement(tag);
    if (tag === "link") element.rel = "stylesheet";
    const over = new Promise((over) => ["load", "error"].forEach((event) => element.addEventListener(event, over)));
    element[attribute] = target + path;
    document.body.append(element);
    await over;
  }
  return read;
}

const report = { read: [], rebound: {}, docs: {} };
const context = await browser.newContext();
for (const origin of [`http://127.0.0.1:${other}`, `http://localhost:${other}`, `http://evil.example:${other}`]) {
  for (const target of [`http://127.0.0.1:${port}`, `http://localhost:${port}`, `http://evil.example:${port}`]) {
    const page = await context.newPage();
    await page.goto(origin);
    const read = await page.evaluate(attack, [target, order]);
    report.read.push(...read.map((what) => `${origin} -> ${target}: ${what}`));
    await page.close();
  }
}

// The attacker's name now leads to the orchestrator itself: to the browser, its pages are the attacker's own.
{
  const page = await context.newPage();
  for (const path of ["/", "/docs/", "/api/commandes", "/readyz"]) {
    report.rebound[path] = (await page.goto(`http://evil.example:${port}${path}`)).status();
  }
  // The page itself came from the attacker's machine, before the name was made to lead elsewhere.
  const body = "<!doctype html><title>rebound</title><iframe name=hidden></iframe>";
  await page.route("**/attack", (route) => route.fulfill({ contentType: "text/html", body }));
  await page.goto(`http://evil.example:${port}/attack`);
  const read = await page.evaluate(attack, [`http://evil.example:${port}`, order]);
  report.read.push(...read.map((what) => `rebound: ${what}`));
  await page.close();
}

// A link from elsewhere to the documentation is followed; there, an order can be placed.
{
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`http://localhost:${other}`);
  await page.evaluate((href) => {
    const link = Object.assign(document.createElement("a"), { href, textContent: "docs", id: "docs" });
    document.body.append(link);
  }, `http://127.0.0.1:${port}/docs/`);
  await Promise.all([page.waitForURL("**/docs/**"), page.click("#docs")]);
  const operation = page.locator(".opblock", { hasText: "/api/commande/checkout" });
  await operation.locator(".opblock-summary").click();
  await operation.locator(".execute").click();
  const status = operation.locator(".live-responses-table tbody .response-col_status").first();
  report.docs.status = (await status.innerText()).trim();
  report.docs.answer = await operation.locator(".live-responses-table .highlight-code").first().innerText();
  report.docs.complaints = complaints;
  await page.close();
}

await browser.close();
elsewhere.close();
console.log(JSON.stringify(report));
