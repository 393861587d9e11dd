import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { FileChooser, Page } from "playwright-core";
import { expect, test } from "vitest";
import {
  administration,
  BASE,
  choose,
  file,
  forgive,
  jobRow,
  newAddress,
  newPage,
  PASSWORD,
  register,
  signedIn,
  uploadRow,
  video,
  withBrowser,
} from "./world";

withBrowser();

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Runs axe-core on the page as it is, and expects no violation. */
async function expectAccessible(page: Page, state: string): Promise<void> {
  // Nothing in the middle of fading in, which would be measured with half its contrast.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .map((animation) =>
          animation.playState === "running" && animation.effect?.getComputedTiming().iterations !== Infinity
            ? animation.finished
            : undefined,
        ),
    ),
  );
  await page.evaluate(axe);
  const { violations } = await page.evaluate<AxeResults>("axe.run({ resultTypes: ['violations'] })");
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n")}`,
  );
  expect(found, state).toEqual([]);
}

for (const [look, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["on a phone", PHONE],
] as const) {
  test(`axe-core finds nothing wrong, ${look}`, async () => {
    const page = await newPage(options);
    await page.goto("/");
    for (const place of ["/sign-up", "/sign-in", "/forgot", "/reset"]) {
      await page.goto(place);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await expectAccessible(page, place);
    }
    const email = await register();
    await page.goto("/sign-in");
    await page.getByLabel("E-mail address").fill(email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Your music will be here" }).waitFor();
    await expectAccessible(page, "nothing there yet");

    await choose(page, video("talk.mkv"), file("letter.mp4", "no video"), file("notes.txt", "milk"));
    await jobRow(page, "letter").getByText("that we recognise").waitFor();
    await jobRow(page, "talk").getByRole("button", { name: "Play talk" }).click();
    await jobRow(page, "talk").getByRole("button", { name: "More about talk" }).click();
    await page.getByRole("button", { name: "Change settings" }).click();
    await expectAccessible(page, "a list, a player, details and settings");
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("dialog").waitFor();
    await expectAccessible(page, "a question");
    await page.getByRole("button", { name: "Keep it" }).click();
    await page.getByRole("button", { name: "News" }).click();
    await expectAccessible(page, "news");

    await page.goto("/settings");
    await page.getByRole("heading", { name: "Keys for programs" }).waitFor();
    await page.getByText("this one").waitFor();
    await expectAccessible(page, "settings");
  });

  test(`axe-core finds nothing wrong with the page for administrators, ${look}`, async () => {
    const page = await administration(options);
    await page.getByRole("button", { name: "Look at them" }).click();
    await page.getByText("which this build does not know").first().waitFor();
    await page
      .getByRole("button", { name: /^Close the account/ })
      .first()
      .waitFor();
    await expectAccessible(page, "admin");
    if (look === "on a phone") await expectToFit(page, "admin");
  });
}

/** Expects nothing to be wider than the phone, and everything to be large enough for a finger. */
async function expectToFit(page: Page, place: string): Promise<void> {
  expect(await page.evaluate(() => document.documentElement.scrollWidth), place).toBeLessThanOrEqual(
    PHONE.viewport.width,
  );
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button, select, input:not([type=checkbox])")]
      .filter((element) => element.checkVisibility())
      .map((element) => ({
        box: element.getBoundingClientRect(),
        name: element.getAttribute("aria-label") ?? element.textContent,
      }))
      .filter(({ box }) => box.height < 40 || box.width < 40)
      .map(({ name }) => name),
  );
  expect(small, place).toEqual([]);
}

test("on a phone nothing is wider than the screen, and everything is large enough to touch", async () => {
  const page = await signedIn(PHONE);
  await choose(
    page,
    video("A talk with a rather long name about the history of recorded sound.mkv"),
    file("notes.txt", "milk"),
  );
  const title = "A talk with a rather long name about the history of recorded sound";
  await jobRow(page, title)
    .getByRole("button", { name: `Play ${title}` })
    .tap();
  await jobRow(page, title)
    .getByRole("button", { name: `Pause ${title}` })
    .waitFor();
  await jobRow(page, title)
    .getByRole("button", { name: `More about ${title}` })
    .tap();
  for (const place of ["/", "/settings"]) {
    if (place !== "/") await page.getByRole("link", { name: "Settings" }).tap();
    await expectToFit(page, place);
  }
});

/** Presses Tab until something of this name has the focus, which must be seen there. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  const seen: string[] = [];
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const label =
        element.getAttribute("aria-label") ??
        (element as HTMLInputElement).labels?.[0]?.textContent ??
        element.textContent ??
        "";
      const style = getComputedStyle(element);
      return {
        label: label.trim(),
        isSeen: style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 2,
      };
    });
    seen.push(focused.label);
    if (name.test(focused.label)) {
      expect(focused.isSeen, `the focus on ${focused.label} is seen`).toBe(true);
      return;
    }
  }
  throw new Error(`Tab never came to ${name}, but to: ${seen.join(", ")}`);
}

test("everything can be done with the keyboard alone", async () => {
  const email = await register(newAddress());
  const page = await newPage();
  // From the beginning: the browser takes a moment until it leaves dialogs to us.
  const dialog = new Promise<FileChooser>((resolve) => page.once("filechooser", resolve));
  await page.goto("/sign-in");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await tabTo(page, /^E-mail address/);
  await page.keyboard.type(email);
  await tabTo(page, /^Password/);
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Choose videos" }).waitFor();

  await tabTo(page, /^Choose videos/);
  await page.keyboard.press("Enter");
  await (await dialog).setFiles([video("keys.mkv", { seconds: 30 }), file("notes.txt", "milk")]);
  await jobRow(page, "keys").getByRole("button", { name: "Play keys" }).waitFor();
  await tabTo(page, /^Put notes.txt away/);
  await page.keyboard.press("Enter");
  await uploadRow(page, "notes.txt").waitFor({ state: "detached" });

  await tabTo(page, /^Play keys/);
  await page.keyboard.press("Space");
  await jobRow(page, "keys").getByRole("button", { name: "Pause keys" }).waitFor();
  await tabTo(page, /^Position in keys/);
  await page.keyboard.press("Space");
  await jobRow(page, "keys").getByRole("button", { name: "Play keys" }).waitFor();
  await page.keyboard.press("Home");
  for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press("ArrowRight");
  expect(await jobRow(page, "keys").getByRole("slider").getAttribute("aria-valuetext")).toBe(
    "15 seconds of 30 seconds",
  );

  await tabTo(page, /^More about keys/);
  await page.keyboard.press("Enter");
  await tabTo(page, /^Delete$/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  // The focus is back where it was.
  await page.keyboard.press("Enter");
  await tabTo(page, /^Delete it/);
  await page.keyboard.press("Enter");
  await jobRow(page, "keys").waitFor({ state: "detached" });
});

test("the page brings a strict policy and lives within it", async () => {
  const page = await newPage();
  const answer = await page.goto("/");
  const policy = answer?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  // That the policy bites: what it forbids does not happen. Any violation of the page's own is a complaint in every test.
  const isBlocked = await page.evaluate(
    () =>
      new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", () => resolve(true), { once: true });
        document.body.append(Object.assign(document.createElement("img"), { src: "https://example.org/pixel.png" }));
      }),
  );
  expect(isBlocked).toBe(true);
  forgive(/example\.org/);
});

test("the first load is below 150 kB, and all of it is our own", async () => {
  const page = await newPage();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  let bytes = 0;
  const hosts = new Set<string>();
  devtools.on("Network.requestWillBeSent", ({ request }) => hosts.add(new URL(request.url).origin));
  devtools.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await page.goto("/", { waitUntil: "networkidle" });
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(150_000);
  expect([...hosts]).toEqual([BASE]);
});
