// The README's pictures, out of a run of the demo: `npm run shots`.
import { chromium } from "playwright-core";
import { town } from "./house.mjs";

const demo = await town(7);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, locale: "en-GB", timezoneId: "UTC" });
  const page = await context.newPage();
  await page.goto(demo.login);
  await page.locator(".row .pill", { hasText: "awaiting approval" }).waitFor({ timeout: 30_000 });
  await page.locator("a.row").click();
  await page.getByRole("button", { name: "Approve…" }).waitFor();
  const address = page.url();
  await page.screenshot({ path: "../docs/web-incident.jpg", quality: 72 });
  const phone = await browser.newContext({ viewport: { width: 390, height: 860 }, colorScheme: "dark", locale: "en-GB", timezoneId: "UTC", storageState: await context.storageState() });
  const small = await phone.newPage();
  await small.goto(address);
  await small.getByRole("link", { name: "Review it" }).click();
  await small.getByRole("button", { name: "Approve…" }).scrollIntoViewIfNeeded();
  await small.waitForTimeout(300);
  await small.screenshot({ path: "../docs/web-phone.jpg", quality: 80 });
} finally {
  await browser.close();
  await demo.end();
}
