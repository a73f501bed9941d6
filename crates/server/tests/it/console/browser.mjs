// A browser for the console's tests: what a page must not do is collected while it is used.
//
//     import { open } from "./browser.mjs";
//
// Scripts get the paths of playwright-core and of the browser as their first arguments.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [playwright, executablePath] = process.argv.slice(2);
const { chromium } = await import(playwright);
const axeSource = readFileSync(join(dirname(playwright), "../axe-core/axe.min.js"), "utf8");

/** The arguments of the script itself. */
export const given = process.argv.slice(4);

/** A browser, and `page(options)` that opens a page whose `complaints` are those of the browser about it. */
export async function open() {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = async (options = {}) => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
    const page = await context.newPage();
    page.complaints = [];
    page.on("console", (message) => {
      // An answer that is an error is told by its page.
      const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
      if (message.type() === "error" && !isStatus) page.complaints.push(message.text());
    });
    page.on("pageerror", (error) => page.complaints.push(`script: ${error}`));
    page.on("dialog", (dialog) => { page.complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on("request", (request) => {
      const host = new URL(request.url()).hostname;
      if (!["127.0.0.1", "localhost"].includes(host) && !request.url().startsWith("data:")) {
        page.complaints.push(`elsewhere: ${request.url()}`);
      }
    });
    return page;
  };
  return { page, close: () => browser.close() };
}

/** What axe-core finds wrong with a page, and how far the page is wider than its window. */
export async function judge(page) {
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join(" | ")}`);
  });
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  const inline = await page.evaluate(() => ({
    scripts: document.querySelectorAll("script:not([src])").length,
    styles: document.querySelectorAll("[style],style").length,
    handlers: [...document.querySelectorAll("*")].filter((it) => [...it.attributes].some(({ name }) => name.startsWith("on"))).length,
  }));
  const headings = await page.evaluate(() => document.querySelectorAll("h1").length);
  const problems = [...violations];
  if (wider > 0) problems.push(`${wider} px wider than the window`);
  if (inline.scripts + inline.styles + inline.handlers > 0) problems.push(`inline: ${JSON.stringify(inline)}`);
  if (headings !== 1) problems.push(`${headings} h1`);
  return problems;
}
