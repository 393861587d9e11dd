import { dirname, join } from "node:path";
import type { FileChooser, Page } from "playwright-core";
import { expect, test } from "vitest";
import { choose, file, jobRow, percentSent, signedIn, slowUploads, uploadRow, video, wire, withBrowser } from "./world";

withBrowser();

const MEGABYTE = 1 << 20;
/** Four seconds of sending, so that there is a middle. */
const SLOW = { bytes: 12 * MEGABYTE, bytesPerSecond: 3 * MEGABYTE };

function slowVideo(name: string): string {
  return video(name, { padding: SLOW.bytes });
}

/** What the page asked of the upload's address, such as `PATCH 4194304`. */
function watchRequests(page: Page): string[] {
  const seen: string[] = [];
  page.on("request", (request) => {
    if (!new URL(request.url()).pathname.startsWith("/uploads")) return;
    seen.push([request.method(), request.headers()["upload-offset"]].filter(Boolean).join(" "));
  });
  return seen;
}

async function untilSent(page: Page, name: string, percent: number): Promise<void> {
  await expect.poll(() => percentSent(page, name)).toBeGreaterThanOrEqual(percent);
}

async function untilReady(page: Page, title: string): Promise<void> {
  await jobRow(page, title)
    .getByRole("button", { name: `Play ${title}` })
    .waitFor();
}

/** Where the gateway was asked to go on, the last time. */
function lastOffset(requests: string[]): number {
  return Number(requests.findLast((request) => request.startsWith("PATCH"))?.split(" ")[1]);
}

test("an upload pauses, keeps still, and goes on where it was", async () => {
  const page = await signedIn();
  const requests = watchRequests(page);
  await slowUploads(page, SLOW.bytesPerSecond);
  await choose(page, slowVideo("pause.mkv"));
  await untilSent(page, "pause.mkv", 30);
  await uploadRow(page, "pause.mkv")
    .getByText(/MB of 1\d MB · .*MB\/s · .* left/)
    .waitFor();
  await page.getByRole("button", { name: "Pause pause.mkv" }).click();
  await uploadRow(page, "pause.mkv").getByText("Paused at").waitFor();
  const percent = await percentSent(page, "pause.mkv");
  expect(percent).toBeLessThan(100);
  await page.getByRole("button", { name: "Go on with pause.mkv" }).click();
  await untilReady(page, "pause");
  expect(requests.filter((request) => request === "POST")).toHaveLength(1);
  expect(lastOffset(requests)).toBeGreaterThan(0);
});

test("an upload survives a reload of the page in the middle of it", async () => {
  const page = await signedIn();
  const requests = watchRequests(page);
  await slowUploads(page, SLOW.bytesPerSecond);
  const path = slowVideo("reload.mkv");
  await choose(page, path);
  await untilSent(page, "reload.mkv", 30);
  const dialog = new Promise<FileChooser>((resolve) => page.once("filechooser", resolve));
  await page.reload();
  await uploadRow(page, "reload.mkv")
    .getByText(/Interrupted at [1-9]\d? %/)
    .waitFor();
  await uploadRow(page, "reload.mkv").getByRole("button", { name: "Find the file" }).click();
  await (await dialog).setFiles(path);
  await untilReady(page, "reload");
  expect(requests.filter((request) => request === "POST")).toHaveLength(1);
  expect(lastOffset(requests)).toBeGreaterThan(0);
  expect(await page.locator(".upload").count()).toBe(0);
});

test("an upload waits while the network is cut, and goes on by itself", async () => {
  const page = await signedIn();
  const requests = watchRequests(page);
  await slowUploads(page, SLOW.bytesPerSecond);
  await choose(page, slowVideo("cut.mkv"));
  await untilSent(page, "cut.mkv", 30);
  wire.cut();
  await uploadRow(page, "cut.mkv").getByText("No connection.").waitFor();
  wire.mend();
  await untilReady(page, "cut");
  expect(requests.filter((request) => request === "POST")).toHaveLength(1);
  expect(lastOffset(requests)).toBeGreaterThan(0);
});

test("a cancelled upload leaves nothing behind", async () => {
  const page = await signedIn();
  const requests = watchRequests(page);
  await slowUploads(page, SLOW.bytesPerSecond);
  await choose(page, slowVideo("cancel.mkv"));
  await untilSent(page, "cancel.mkv", 10);
  await page.getByRole("button", { name: "Cancel cancel.mkv" }).click();
  await uploadRow(page, "cancel.mkv").waitFor({ state: "detached" });
  await expect.poll(() => requests).toContain("DELETE");
  await page.reload();
  await page.getByRole("heading", { name: "Your music will be here" }).waitFor();
  expect(await page.locator(".upload").count()).toBe(0);
});

test("files that cannot be videos are refused with the reason, and never sent", async () => {
  const page = await signedIn();
  const requests = watchRequests(page);
  await choose(page, file("notes.txt", "milk, eggs"), file("nothing.mp4", ""));
  await uploadRow(page, "notes.txt").getByRole("alert").filter({ hasText: "It is a text file" }).waitFor();
  await uploadRow(page, "nothing.mp4").getByRole("alert").filter({ hasText: "It is empty" }).waitFor();
  expect(requests.filter((request) => request === "POST")).toEqual([]);
  await page.getByRole("button", { name: "Put notes.txt away" }).click();
  await uploadRow(page, "notes.txt").waitFor({ state: "detached" });
});

test("videos that cannot be converted say why, and what to do", async () => {
  const page = await signedIn();
  await choose(page, file("letter.mp4", "Dear Sir or Madam, ".repeat(500)), video("silent.mkv", { hasSound: false }));
  await jobRow(page, "letter").getByText("not a video or audio file that we recognise").waitFor();
  await jobRow(page, "letter").getByText("save it as MP4").waitFor();
  await jobRow(page, "silent").getByText("This video has no sound.").waitFor();
});

test("several videos go at once, each with its own options and name", async () => {
  const page = await signedIn();
  await page.getByRole("button", { name: "Change settings" }).click();
  await page.getByLabel("Format").selectOption("flac");
  await page.getByLabel("Start").fill("0:01");
  await page.getByLabel("Artist").fill("Ada");
  await choose(page, ...["one.mkv", "two.mkv", "three.mkv", "four.mkv"].map((name) => video(name, { seconds: 3 })));
  for (const name of ["one", "two", "three", "four"]) await untilReady(page, name);
  await jobRow(page, "two").getByText("FLAC · lossless").waitFor();
  await page.getByRole("button", { name: "More about two" }).click();
  const details = jobRow(page, "two");
  await details.getByText("Ada", { exact: true }).waitFor();
  await details.getByText("0:02", { exact: true }).first().waitFor();

  // The choice is remembered, but not what belonged to one video.
  await page.reload();
  await page.getByText("You get FLAC").waitFor();
  await page.getByRole("button", { name: "Change settings" }).click();
  expect(await page.getByLabel("Start").inputValue()).toBe("");
  expect(await page.getByLabel("Artist").inputValue()).toBe("Ada");
});

test("what is dropped on the page is taken, folders with all the videos that are in them", async () => {
  const page = await signedIn();
  const album = dirname(video(join("album", "first.mkv")));
  video(join("album", "inner", "second.mkv"));
  file(join("album", "cover.txt"), "a list of songs");
  const devtools = await page.context().newCDPSession(page);
  const drag = async (type: "dragEnter" | "dragOver" | "drop", ...files: string[]) => {
    const data = { items: [], files, dragOperationsMask: 1 };
    await devtools.send("Input.dispatchDragEvent", { type, x: 600, y: 300, data });
  };
  const things = [album, video("alone.mkv"), file("list.txt", "shopping")];
  await drag("dragEnter", ...things);
  await drag("dragOver", ...things);
  await page.getByRole("heading", { name: "Let go, and it begins" }).waitFor();
  await drag("drop", ...things);
  // What lies in a folder may be anything; what was dropped by itself was meant.
  await page.getByText("1 file in there is no video and was left out.").waitFor();
  await uploadRow(page, "list.txt").getByText("It is a text file").waitFor();
  for (const title of ["first", "second", "alone"]) await untilReady(page, title);
  expect(await page.locator(".job").count()).toBe(3);
});
