// Draws the console's pages.
//
//     node draw.mjs PLAYWRIGHT CHROMIUM URL KEY FOLDER SAGAS

import { join } from "node:path";

const [playwright, executablePath, url, key, folder, sagas] = process.argv.slice(2);
const { chromium } = await import(playwright);
const { blocked, done, failed, waiting } = JSON.parse(sagas);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function draw(name, path, { lang = "en", theme = "light", width = 1280, height = 860, full = false, before } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, locale: lang === "fr" ? "fr-CA" : "en-CA", colorScheme: theme, deviceScaleFactor: 1, timezoneId: "America/Toronto",
  });
  const page = await context.newPage();
  await page.goto(`${url}/console/sign-in`);
  if (path !== "/console/sign-in") {
    await page.fill("input[name=key]", key);
    await page.click("main button");
    await page.waitForURL((at) => !at.pathname.endsWith("sign-in"));
    await page.goto(url + path);
    if (before) await before(page);
  }
  await page.waitForTimeout(1500);
  await page.screenshot({ path: join(folder, `console-${name}.png`), fullPage: full });
  await context.close();
}

const firstGroup = async (page) => { await page.locator("[data-group] a, a[data-group]").last().click(); await page.waitForLoadState(); };
await draw("overview", "/console/");
await draw("overview-dark-fr", "/console/", { lang: "fr", theme: "dark" });
await draw("sagas", "/console/sagas");
await draw("saga", `/console/sagas/${blocked}`, { full: true });
await draw("saga-fr", `/console/sagas/${blocked}`, { lang: "fr", full: true });
await draw("saga-dark", `/console/sagas/${failed}`, { theme: "dark", full: true });
await draw("saga-waiting", `/console/sagas/${waiting}`, { full: true });
await draw("saga-phone", `/console/sagas/${blocked}`, { width: 390, height: 844 });
await draw("inbox", "/console/inbox", { before: firstGroup });
await draw("inbox-fr", "/console/inbox", { lang: "fr", before: firstGroup });
await draw("inbox-phone-dark", "/console/inbox", { theme: "dark", width: 390, height: 844 });
await draw("definition", "/console/definitions/order", { full: true });
await draw("participants", "/console/participants");
await draw("sign-in", "/console/sign-in", { height: 480 });
await draw("action", "/console/actions", {
  before: async (page) => {
    await page.goto(`${url}/console/inbox`);
    await firstGroup(page);
    await page.locator("[data-key='1']").click();
    await page.waitForLoadState();
  },
});
await browser.close();
