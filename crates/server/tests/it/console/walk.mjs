// Walks through pages in both languages, both themes, at a desk's and a phone's width, and reports what is wrong with each.
//
//     node walk.mjs PLAYWRIGHT CHROMIUM BASE PATH…
//
// Prints JSON: { visited, problems: [{ path, lang, theme, width, problems }], titles }.

import { given, judge, open } from "./browser.mjs";

const [base, key, ...paths] = given;
const browser = await open();
const report = { visited: 0, problems: [], titles: {} };
// Each pair of a language, a theme and a width is there.
for (const [lang, theme, width] of [["en", "light", 1280], ["en", "dark", 390], ["fr", "dark", 1280], ["fr", "light", 390]]) {
  const page = await browser.page({ viewport: { width, height: 900 }, locale: lang === "fr" ? "fr-CA" : "en-CA", colorScheme: theme });
  if (key) {
    await page.goto(`${base}/console/sign-in`);
    await page.fill("input[name=key]", key);
    await page.click("main button");
    await page.waitForURL((url) => !url.pathname.endsWith("sign-in"));
  }
  for (const path of paths) {
    page.complaints.length = 0;
    await page.goto(base + path, { waitUntil: "load" });
    const problems = [...(await judge(page)), ...page.complaints];
    if ((await page.getAttribute("html", "lang")) !== lang) problems.push("the browser's language is not the page's");
    report.visited += 1;
    report.titles[`${lang} ${path}`] = await page.title();
    if (problems.length) report.problems.push({ path, lang, theme, width, problems });
  }
  await page.context().close();
}
await browser.close();
console.log(JSON.stringify(report));
