import { readFileSync } from "node:fs";
import type { Page, Request } from "playwright-core";
import { expect, test } from "vitest";
import {
  BASE,
  choose,
  jobRow,
  newContext,
  newPage,
  register,
  SCENE,
  signedIn,
  signIn,
  slowUploads,
  tokenOf,
  upload,
  uploadRow,
  video,
  withBrowser,
} from "./world";

withBrowser();

const DAY_MS = 24 * 3600 * 1000;

test("a deleted file is gone, after a question, in every window", async () => {
  const page = await signedIn();
  const other = await page.context().newPage();
  await other.goto("/");
  await choose(page, video("gone.mkv"));
  await jobRow(other, "gone").getByRole("button", { name: "Play gone" }).waitFor();

  // Windows behind others draw once in a second.
  await page.bringToFront();
  await jobRow(page, "gone").getByRole("button", { name: "More about gone" }).click();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("dialog", { name: "Delete gone?" }).getByRole("button", { name: "Delete it" }).click();
  await jobRow(page, "gone").waitFor({ state: "detached" });
  await jobRow(other, "gone").waitFor({ state: "detached" });
  await page.reload();
  await page.getByRole("heading", { name: "Your music will be here" }).waitFor();
});

test("two windows show the same, share one session, and do not send the same file twice", async () => {
  const one = await signedIn();
  const two = await one.context().newPage();
  await two.goto("/");
  await two.getByRole("button", { name: "Choose videos" }).waitFor();
  // Both take a new token at the same moment, from the same cookie.
  await Promise.all([one.reload(), two.reload()]);
  await Promise.all([one, two].map((page) => page.getByRole("button", { name: "Choose videos" }).waitFor()));

  await slowUploads(one, 3 << 20);
  const path = video("both.mkv", { padding: 9 << 20 });
  await choose(one, path);
  await uploadRow(one, "both.mkv").getByText(/ left/).waitFor();
  await choose(two, path);
  await uploadRow(two, "both.mkv").getByText("Another window is sending this file").waitFor();
  for (const page of [one, two]) await jobRow(page, "both").getByRole("button", { name: "Play both" }).waitFor();

  await one.getByRole("button", { name: "Your account" }).click();
  await one.getByRole("button", { name: "Sign out" }).click();
  await two.getByRole("heading", { name: /Sign in|Create an account/ }).waitFor();
});

test("the list is searched, filtered and paged", async () => {
  const email = await register();
  const token = await tokenOf(email);
  for (let index = 1; index <= 21; index += 1) await upload(token, `talk ${index}.mp4`, "no video");
  const context = await newContext();
  const page = await context.newPage();
  await signIn(page, email);
  await expect.poll(() => page.locator(".job").count()).toBe(20);
  await page.getByRole("button", { name: "Show older ones" }).click();
  await expect.poll(() => page.locator(".job").count()).toBe(21);
  await page.getByLabel("Search your music").fill("TALK 2");
  await expect.poll(() => page.locator(".job").count()).toBe(3);
  await page.getByLabel("Search your music").fill("opera");
  await page.getByText("Nothing found.").waitFor();
  await page.getByLabel("Search your music").fill("");
  await page.getByLabel("Show", { exact: true }).selectOption("converted");
  await page.getByText("Nothing found.").waitFor();
});

test("a link is handed out, and several files come as one ZIP", async () => {
  const page = await signedIn();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await choose(page, video("left.mkv"), video("right.mkv"));
  for (const title of ["left", "right"])
    await jobRow(page, title)
      .getByRole("button", { name: `Play ${title}` })
      .waitFor();

  await jobRow(page, "left").getByRole("button", { name: "More about left" }).click();
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("The link is copied.").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const answer = await fetch(link);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-disposition")).toContain("left.mp3");

  const single = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download right" }).click();
  expect((await single).suggestedFilename()).toBe("right.mp3");

  await page.getByRole("button", { name: "Choose several" }).click();
  await page.getByRole("checkbox", { name: "Choose left" }).check();
  await page.getByRole("checkbox", { name: "Choose right" }).check();
  await page.getByText("2 files chosen").waitFor();
  const several = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download as ZIP" }).click();
  const zip = readFileSync(await (await several).path());
  expect(zip.subarray(0, 4).toString("latin1")).toBe("PK\x03\x04");
  for (const name of ["left.mp3", "right.mp3"]) expect(zip.includes(name)).toBe(true);
});

test("what ended while the page was closed is news, once", async () => {
  const email = await register();
  const context = await newContext();
  const page = await context.newPage();
  await signIn(page, email);
  await page.getByRole("heading", { name: "Your music will be here" }).waitFor();
  await page.close();
  const token = await tokenOf(email);
  const id = await upload(token, "away.mp4", readFileSync(video("away.mkv")));
  await expect
    .poll(
      async () =>
        (
          (await (await fetch(`${BASE}/jobs/${id}`, { headers: { Authorization: `Bearer ${token}` } })).json()) as {
            status: string;
          }
        ).status,
      {
        timeout: 45_000,
      },
    )
    .toBe("converted");

  const later = await context.newPage();
  await later.goto("/");
  await later.getByRole("button", { name: "News: 1 file finished while you were away" }).click();
  await later.getByRole("region", { name: "News" }).getByText("is ready to play.").waitFor();
  await later.getByRole("button", { name: "Got it" }).click();
  await later.reload();
  await later.getByRole("button", { name: "News", exact: true }).waitFor();
});

test("a conversion that ran out of time is tried again", async () => {
  const page = await newPage();
  await signIn(page, SCENE.unlucky.email, SCENE.unlucky.password);
  const row = page.locator(".job");
  await row.getByText("The conversion took too long and was stopped.").waitFor();
  await row.getByRole("button", { name: "Try again" }).click();
  await row.getByRole("button", { name: /^Play/ }).waitFor();
  expect(await row.count()).toBe(1);
  expect(await row.getByRole("button", { name: "Try again" }).count()).toBe(0);
});

test("a file says how long it is kept, and warns on its last day", async () => {
  const page = await signedIn();
  await choose(page, video("brief.mkv"));
  const row = jobRow(page, "brief");
  await row.getByRole("button", { name: "More about brief" }).click();
  const end = new Date(Date.now() + 7 * DAY_MS);
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }).format(end);
  await row.getByText(`until ${day} (in 7 days)`).waitFor();
  expect(await row.getByText("deleted").count()).toBe(0);

  await page.clock.setFixedTime(end.getTime() - 1.5 * DAY_MS);
  await page.reload();
  await row.getByRole("button", { name: "Play brief" }).waitFor();
  expect(await row.getByText("deleted").count()).toBe(0);
  await page.clock.setFixedTime(end.getTime() - 0.5 * DAY_MS);
  await page.reload();
  await row.getByText("deleted in 12 hours").waitFor();
});

test("a file that is not kept any more says so, and what to do", async () => {
  const page = await newPage();
  await signIn(page, SCENE.late.email, SCENE.late.password);
  const row = page.locator(".job");
  await row.getByText("Its time was over, and the file was deleted. Drop the video again if you need it.").waitFor();
  for (const gone of [/^Play/, /^Download/, "Try again"]) {
    expect(await row.getByRole("button", { name: gone }).count()).toBe(0);
  }
  await row.getByRole("button", { name: /^Delete/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete it" }).click();
  await row.waitFor({ state: "detached" });
});

test("many windows share one stream of events, and another takes over when its window goes", async () => {
  const email = await register();
  const context = await newContext();
  const streams = new Set<Request>();
  context.on("request", (request) => {
    if (request.url() === `${BASE}/jobs/events`) streams.add(request);
  });
  context.on("requestfailed", (request) => void streams.delete(request));
  const open = () => [...streams].filter((stream) => !stream.frame().page().isClosed());
  const first = await context.newPage();
  await signIn(first, email);
  const pages = [first];
  // A browser has six connections for one host.
  while (pages.length < 8) {
    const page = await context.newPage();
    pages.push(page);
    await page.goto("/");
    await page.getByRole("heading", { name: "Your music will be here" }).waitFor();
  }
  const token = await tokenOf(email);
  const seenByAll = async (title: string) => {
    await upload(token, `${title}.mp4`, "no video");
    for (const page of pages) await jobRow(page, title).getByText("that we recognise").waitFor();
    expect(open()).toHaveLength(1);
  };
  await seenByAll("one for all");
  await pages.shift()?.close();
  await seenByAll("after the first has gone");

  const leader = open()[0]?.frame().page();
  await leader?.evaluate(() => {
    // Nothing hides a page of a browser without windows.
    Object.defineProperty(document, "hidden", { value: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  pages.splice(pages.indexOf(leader as Page), 1);
  await seenByAll("after one was put out of sight");
});
