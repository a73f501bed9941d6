// What people do in the console, in a real browser.
//
//     node flows.mjs PLAYWRIGHT CHROMIUM BASE KEYS FLOW FACTS
//
// KEYS: the keys of two operators, as JSON. A flow that needs something done meanwhile prints a line, and goes on when it gets one. The last line is
// the flow's report, as JSON; its `complaints` are those of the browser about all pages.

import { createInterface } from "node:readline";
import { given, judge, open } from "./browser.mjs";

const [base, keys, flow, facts] = given;
const [ana, bo] = JSON.parse(keys);
const about = JSON.parse(facts);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const browser = await open();
const pages = [];

/** Has the test do something, and waits for it. */
async function ask(what) {
  console.log(what);
  await lines.next();
}

async function signedIn(key, options = {}) {
  const page = await browser.page({ viewport: { width: 1280, height: 900 }, locale: "en-CA", ...options });
  pages.push(page);
  await page.goto(`${base}/console/sign-in`);
  await page.fill("input[name=key]", key);
  await page.keyboard.press("Enter");
  await page.waitForURL((at) => !at.pathname.endsWith("sign-in"));
  return page;
}

const badge = (page) => page.locator("[data-live=badge]").innerText();
const until = async (what, ask, ms = 20_000) => {
  for (const end = Date.now() + ms; Date.now() < end;) {
    if (await ask()) return;
    await new Promise((later) => setTimeout(later, 100));
  }
  throw new Error(`in vain: ${what}`);
};
const boxes = (page) => page.$$eval("[data-row]", (rows) => rows.map((row) => {
  const { x, y, width, height } = row.getBoundingClientRect();
  return [row.dataset.row, x, y, width, height].join(" ");
}));

const flows = {
  // One client's failed order, in three actions from the overview.
  async find() {
    const page = await signedIn(ana);
    await page.goto(`${base}/console/`);
    await page.fill("input[name=q]", `client_id=${about.client}`);
    await page.keyboard.press("Enter");
    await page.waitForURL(/client_id/);
    await page.locator("nav a", { hasText: "Failed" }).click();
    await page.waitForURL(/failed/);
    await page.locator("[data-row] a").first().click();
    await page.waitForURL(/sagas\/[0-9a-f-]{36}/);
    return { found: await page.locator("h1 .id").innerText(), why: await page.locator("[data-live=why]").innerText() };
  },

  // One blocked order is cleared: from the overview, three actions; the result shows without a reload.
  async clear() {
    const page = await signedIn(ana);
    await page.goto(`${base}/console/`);
    await page.locator("header nav a", { hasText: "Inbox" }).click();
    await page.locator("[data-rows=members] [data-row] a").first().click();
    await page.waitForURL(/sagas\/[0-9a-f-]{36}/);
    const saga = await page.locator("h1 .id").innerText();
    const before = await badge(page);
    const follows = await page.locator("ol.next").first().innerText();
    await page.locator("form.act button.p").click();
    await until("the order is undone", async () => /undone/i.test(await badge(page)));
    return { saga, before, follows };
  },

  // Everything of one cause, at once.
  async all() {
    const page = await signedIn(ana);
    await page.goto(`${base}/console/inbox`);
    await page.fill("input[name=reason]", "the bank is back");
    const button = page.locator("button.all");
    const said = await button.innerText();
    await button.click();
    await page.waitForLoadState();
    await page.goto(`${base}/console/actions`);
    await page.locator("main a[href*='/console/actions/']").first().click();
    await until("every saga has its result", async () => {
      const text = await page.locator("[data-live=results]").innerText();
      return new RegExp(`${about.count}\\s+undone`).test(text);
    }, 60_000);
    return { said, results: await page.locator("[data-live=results]").innerText(), problems: await judge(page) };
  },

  // Two people at one order: the second is told what the first one did, and keeps the typed reason.
  async two() {
    const [one, other] = [await signedIn(ana), await signedIn(bo)];
    const address = `${base}/console/sagas/${about.saga}?act=resume`;
    await one.goto(address);
    await other.goto(address);
    await one.fill("input[name=reason]", "first");
    await one.locator("form.act button.p").click();
    await one.waitForLoadState();
    await other.fill("input[name=reason]", "second");
    const [answer] = await Promise.all([other.waitForNavigation(), other.locator("form.act button.p").click()]);
    return {
      status: answer.status(), told: await other.locator("main").innerText(), kept: await other.inputValue("input[name=reason]"), problems: await judge(other),
    };
  },

  // The keyboard alone: no key sends a call, and every step can be reached.
  async keyboard() {
    const page = await signedIn(ana);
    await page.goto(`${base}/console/`);
    await page.keyboard.press("g");
    await page.keyboard.press("i");
    await page.waitForURL(/inbox/);
    await page.waitForLoadState();
    for (let tries = 0; tries < 12; tries += 1) {
      await page.keyboard.press("j");
      if (await page.evaluate(() => document.activeElement.closest("[data-rows=members]") !== null)) break;
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(/sagas\/[0-9a-f-]{36}/);
    await page.waitForLoadState();
    const at = page.url();
    await page.keyboard.press("r");
    const focused = await page.evaluate(() => document.activeElement.innerText);
    const moved = page.url() !== at;
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    await page.locator("#keys-open").waitFor();
    await page.locator("h1").click();
    await page.keyboard.press("?");
    const help = await page.locator("#keys").isVisible();
    await page.keyboard.press("Escape");
    return { focused, moved, help };
  },

  // A thousand events move no row; new ones are counted.
  async still() {
    const page = await signedIn(ana);
    await page.goto(`${base}/console/sagas`);
    const before = await boxes(page);
    await ask("busy");
    await until("new rows are counted", () => page.locator("[data-new=sagas]").isVisible());
    const after = (await boxes(page)).map((box) => box.split(" "));
    const shift = Math.max(...before.map((box, index) => Math.abs(Number(box.split(" ")[2]) - Number(after[index][2]))));
    const same = before.every((box, index) => box.split(" ")[0] === after[index][0]);
    return { rows: before.length, same, shift, button: await page.locator("[data-new=sagas]").innerText() };
  },

  // The process behind the page is killed, and another one comes: the page says so, and goes on.
  async killed() {
    const page = await signedIn(ana);
    await page.goto(`${base}/console/sagas/${about.saga}`);
    await until("the page is live", async () => /Live/.test(await page.locator("#live").innerText()));
    await page.evaluate(() => { window.neverReloaded = true; });
    const before = await badge(page);
    await ask("kill");
    await until("the page says that it is not live", async () => /Figures of/.test(await page.locator("#live").innerText()));
    await ask("restart");
    await until("the page is live again, and shows the end", async () => /Live/.test(await page.locator("#live").innerText()) && /Done/.test(await badge(page)), 60_000);
    page.complaints = page.complaints.filter((it) => !/ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_SOCKET/.test(it));
    return { before, stayed: await page.evaluate(() => window.neverReloaded === true) };
  },
};

let report;
try {
  report = await flows[flow]();
} catch (error) {
  const page = pages.at(-1);
  report = { error: String(error), at: page?.url(), shown: await page?.locator("main").innerText().catch(() => ""), live: await page?.locator("#live").innerText().catch(() => "") };
}
report.complaints = pages.flatMap((page) => page.complaints);
await browser.close();
console.log(JSON.stringify(report));
process.exit(0);
