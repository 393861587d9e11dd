// The pictures in docs/screenshots, of real states:
//   SCREENSHOTS=docs/screenshots target/release/stack run -- cargo test --release --workspace --test browser
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, test, vi } from "vitest";
import {
  administration,
  choose,
  file,
  jobRow,
  newPage,
  register,
  signIn,
  slowUploads,
  video,
  withBrowser,
} from "./world";

const folder = process.env.SCREENSHOTS && join("..", process.env.SCREENSHOTS);

withBrowser();
vi.setConfig({ testTimeout: 300_000 });

const LOOKS = [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
] as const;

describe.skipIf(!folder)("screenshots", () => {
  test.each(LOOKS)("%s", async (look, options) => {
    mkdirSync(folder ?? "", { recursive: true });
    const sharp = { ...options, deviceScaleFactor: look === "phone" ? 2 : 1 };
    const page = await newPage(sharp);
    const picture = async (state: string, fullPage = true, of = page) => {
      await settled(of);
      await of.screenshot({ path: join(folder ?? "", `${state}-${look}.png`), fullPage });
    };
    // As it is where no other provider is set up, which is the default.
    await page.route("/oidc/providers", (route) => route.fulfill({ json: { providers: [] } }));
    await page.goto("/");
    await page.getByRole("heading", { name: "Create an account" }).waitFor();
    await picture("welcome");
    await signIn(page, await register());
    await page.getByRole("heading", { name: "Your music will be here" }).waitFor();
    await picture("empty");
    await fill(page);
    // A whole list is a long strip on a phone: what one sees of it at once.
    if (look === "phone")
      await page.getByRole("heading", { name: "On the way" }).evaluate((heading) => heading.scrollIntoView());
    await picture("list", look !== "phone");
    await page.evaluate(() => scrollTo(0, 0));
    await page.getByRole("button", { name: "Change settings" }).click();
    await picture("options");
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("Name of a new key").fill("Backup of the camera");
    await page.getByRole("button", { name: "Make a key" }).click();
    await page.getByLabel("A line for the terminal").waitFor();
    await picture("settings");
    const admin = await administration(sharp);
    await admin.getByRole("button", { name: "Look at them" }).click();
    await admin.getByText("which this build does not know").first().waitFor();
    // There may be many accounts.
    await picture("admin", false, admin);
  });
});

/** A page with something in every state. */
async function fill(page: Page): Promise<void> {
  await choose(page, file("Old backup.mp4", "this is no video ".repeat(500)));
  await jobRow(page, "Old backup").getByText("that we recognise").waitFor();
  await page.getByRole("button", { name: "Change settings" }).click();
  await page.getByLabel("Loudness").selectOption("-16");
  await page.getByLabel("Artist").fill("Ada and the Engines");
  await page.getByLabel("Cover picture").selectOption("frame");
  await choose(page, video("Rehearsal, second evening.mkv", { seconds: 42 }));
  const rehearsal = jobRow(page, "Rehearsal, second evening");
  await rehearsal.getByRole("button", { name: /^Play/ }).waitFor();
  await page.getByRole("button", { name: "Back to the defaults" }).click();
  await page.getByRole("button", { name: "Hide settings" }).click();
  for (const [name, seconds] of [
    ["Lecture 4, waves and beats", 65],
    ["Summer concert in the park", 190],
  ] as const) {
    await choose(page, video(`${name}.mkv`, { seconds }));
    await jobRow(page, name).getByRole("button", { name: /^Play/ }).waitFor();
  }
  await rehearsal.getByRole("button", { name: /^More about/ }).click();
  await rehearsal.getByRole("img").waitFor();
  const concert = jobRow(page, "Summer concert in the park");
  await concert.getByRole("button", { name: /^Play/ }).click();
  await concert.getByRole("button", { name: /^Pause/ }).waitFor();
  await concert.getByRole("slider").press("PageUp");
  await concert.getByRole("slider").press("PageUp");
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await slowUploads(page, 2_000_000);
  await choose(page, video("Birthday.mkv", { padding: 40_000_000 }), file("Shopping list.txt", "milk"));
  await page.getByText(/ left$/).waitFor();
  // What has happened is told for a few seconds.
  await page.locator(".toast").last().waitFor({ state: "detached" });
}

/** Until nothing moves and every waveform is drawn. */
async function settled(page: Page): Promise<void> {
  await page.waitForLoadState("networkidle", { timeout: 1_000 }).catch(() => undefined);
  await page.evaluate(() => document.fonts.ready);
}
