import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  BASE,
  choose,
  file,
  jobRow,
  newContext,
  PASSWORD,
  register,
  signedIn,
  signIn,
  slowUploads,
  uploadRow,
  video,
  withBrowser,
} from "./world";

withBrowser();

test("a deleted file is gone, after a question, in every window", async () => {
  const page = await signedIn();
  const other = await page.context().newPage();
  await other.goto("/");
  await choose(page, video("gone.mkv"));
  await jobRow(other, "gone").getByRole("button", { name: "Play gone" }).waitFor();

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

test("settings hold: mails, keys that work, sessions", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("checkbox", { name: "when a video has arrived" }).check();
  await page.getByText("Saved.").waitFor();
  await page.reload();
  await expect.poll(() => page.getByRole("checkbox", { name: "when a video has arrived" }).isChecked()).toBe(true);

  await page.getByLabel("Name of a new key").fill("backup");
  await page.getByRole("button", { name: "Make a key" }).click();
  const line = await page.getByLabel("A line for the terminal").inputValue();
  const key = /Bearer (mxk_\S+)"/.exec(line)?.[1] ?? "";
  expect(line).toContain(`${BASE}/upload`);
  await upload(key, "by script.mp4", "no video");
  await page.getByRole("link", { name: "Files" }).click();
  await jobRow(page, "by script").waitFor();

  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByText("this one").waitFor();
  await page.getByRole("button", { name: "Delete the key backup" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByRole("button", { name: "Delete the key backup" }).waitFor({ state: "detached" });
});

test("an account is deleted with its password only", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Delete my account…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Your password").fill("not the password");
  await dialog.getByRole("button", { name: "Delete everything" }).click();
  await dialog.getByRole("alert").filter({ hasText: "not your password" }).waitFor();
  await dialog.getByLabel("Your password").fill(PASSWORD);
  await dialog.getByRole("button", { name: "Delete everything" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

async function tokenOf(email: string): Promise<string> {
  const answer = await fetch(`${BASE}/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  return ((await answer.json()) as { access_token: string }).access_token;
}

/** Uploads as a program does. */
async function upload(token: string, name: string, content: string | Buffer): Promise<string> {
  const form = new FormData();
  form.append("file", new Blob([readFileSync(file(name, content))]), name);
  const answer = await fetch(`${BASE}/upload`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
    body: form,
  });
  if (answer.status !== 202) throw new Error(`the upload was answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { id: string }).id;
}
