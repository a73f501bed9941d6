// Somebody signs in to the console in a real browser, follows a link of another site to one of its pages, and signs out; meanwhile
// that other site tries to act in the person's name. Prints the results as JSON.
//
//     node sign_in.mjs PLAYWRIGHT CHROMIUM PORT KEY
//
// PORT is the orchestrator's on the loopback interface.

import http from "node:http";

const [playwright, executablePath, port, key] = process.argv.slice(2);
const { chromium } = await import(playwright);

// The other site: an empty page, wherever it is asked for.
const elsewhere = http.createServer((_, answer) => {
  answer.setHeader("content-type", "text/html");
  answer.end("<!doctype html><title>elsewhere</title><iframe name=hidden></iframe>");
});
await new Promise((listening) => elsewhere.listen(0, "127.0.0.1", listening));
const other = `http://elsewhere.internal:${elsewhere.address().port}`;

// Names that are not this machine's own: without TLS, a browser does not say there where a request comes from (Sec-Fetch-Site).
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--host-resolver-rules=MAP *.internal 127.0.0.1"],
});

// Everything that the other site can do with the console without being asked. Runs in its page.
async function attack(target) {
  const read = [];
  const form = "application/x-www-form-urlencoded";
  for (const path of ["/console/sign-out", "/console/sign-in", "/console/"]) {
    for (const options of [{}, { method: "POST", headers: { "content-type": form }, body: "token=x&everywhere=1" }]) {
      for (const mode of ["no-cors", "cors"]) {
        try {
          const answer = await fetch(target + path, { ...options, mode, credentials: "include" });
          if (answer.ok && (await answer.text())) read.push(path);
        } catch {
          // Refused by the browser.
        }
      }
    }
    const sent = Object.assign(document.createElement("form"), { method: "post", action: target + path, target: "hidden" });
    sent.innerHTML = "<input name=token value=x><input name=everywhere value=1>";
    document.body.append(sent);
    const loaded = new Promise((over) => document.querySelector("iframe").addEventListener("load", over, { once: true }));
    sent.submit();
    await Promise.race([loaded, new Promise((over) => setTimeout(over, 2000))]);
  }
  return read;
}

const report = {};
for (const host of ["127.0.0.1", "console.internal"]) {
  const target = `http://${host}:${port}`;
  const context = await browser.newContext({ locale: "en" });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  const has = (selector) => page.locator(selector).count();
  const told = {};

  await page.goto(`${target}/console/?x=1`);
  // Without Sec-Fetch-Site, the sign-in loads itself again once before it asks.
  await page.waitForSelector("#key");
  await page.fill("#key", "ork_wrong");
  await Promise.all([page.waitForNavigation(), page.press("#key", "Enter")]);
  told.refused = await page.locator("[role=alert]").innerText();
  await page.fill("#key", key);
  await Promise.all([page.waitForURL("**/console/?x=1"), page.press("#key", "Enter")]);
  told.out = await has("form[action='/console/sign-out']");
  told.seen = await page.evaluate(() => document.cookie);
  const cookies = await context.cookies();
  told.cookies = cookies.map(({ name, httpOnly, sameSite }) => `${name} ${httpOnly} ${sameSite}`).sort();
  // The answer to the wrong key, an icon that there is none of, and a header that counts under TLS alone.
  const expected = ["401", "404", "Cross-Origin-Opener-Policy"];
  told.complaints = complaints.filter((complaint) => !expected.some((part) => complaint.includes(part)));

  const stranger = await context.newPage();
  await stranger.goto(other);
  told.read = await stranger.evaluate(attack, target);
  // A link as in a message, in this window and in a new one.
  for (const [name, place] of [["same", ""], ["new", "_blank"]]) {
    const opened = place ? context.waitForEvent("page") : Promise.resolve(stranger);
    await stranger.evaluate(([href, place]) => {
      const link = Object.assign(document.createElement("a"), { href, target: place, textContent: "link", id: "link" });
      document.body.replaceChildren(link);
    }, [`${target}/console/?from=${name}`, place]);
    await stranger.click("#link");
    const reached = await opened;
    await reached.waitForSelector("form[action='/console/sign-out'], #key");
    told[name] = `${new URL(reached.url()).search} ${await reached.locator("#key").count()}`;
    await reached.goto(other);
  }

  await page.goto(`${target}/console/`);
  told.stays = await has("form[action='/console/sign-out']");
  await Promise.all([page.waitForURL("**/console/sign-in*"), page.click("form[action='/console/sign-out'] button")]);
  await page.waitForSelector("#key");
  await page.goto(`${target}/console/`);
  await page.waitForSelector("#key");
  told.over = 1 - (await has("form[action='/console/sign-out']"));
  report[host] = told;
  await context.close();
}

await browser.close();
elsewhere.close();
console.log(JSON.stringify(report));
