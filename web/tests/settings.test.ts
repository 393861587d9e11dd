import { execFileSync } from "node:child_process";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import {
  administration,
  BASE,
  choose,
  file,
  jobRow,
  mailedLink,
  newAddress,
  newPage,
  PASSWORD,
  register,
  signedIn,
  signIn,
  trySignIn,
  video,
  withBrowser,
} from "./world";

withBrowser();

test("the choice of mails holds", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("checkbox", { name: "when a video has arrived" }).check();
  await page.getByText("Saved.").waitFor();
  await page.reload();
  await expect.poll(() => page.getByRole("checkbox", { name: "when a video has arrived" }).isChecked()).toBe(true);
});

test("what an account takes up is shown to its owner, and to administrators", async () => {
  const email = await register();
  const page = await newPage();
  await signIn(page, email);
  await choose(page, video("some.mkv"));
  await jobRow(page, "some").getByRole("button", { name: "Play some" }).waitFor();
  await page.getByRole("link", { name: "Settings" }).click();
  const usage = page.getByRole("region", { name: "What you use" });
  await usage.getByText(/^\d+ kB of \d+ GB$/).waitFor();
  await usage.getByText(/^1 of \d+ minutes$/).waitFor();
  await usage.getByText(/^0 of \d+ videos$/).waitFor();

  const admin = await administration();
  await admin.getByLabel("Find an address").fill(email);
  await admin.getByRole("button", { name: `Usage of ${email}` }).click();
  await admin.getByText(/^\d+ kB of \d+ GB$/).waitFor();
});

test("a key works in the line for the terminal, until it is deleted", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Name of a new key").fill("backup");
  await page.getByRole("button", { name: "Make a key" }).click();
  const line = await page.getByLabel("A line for the terminal").inputValue();
  expect(line).toContain(`${BASE}/upload`);
  const inTerminal = () =>
    execFileSync("sh", ["-c", line], {
      cwd: dirname(file("video.mp4", "no video")),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  expect(JSON.parse(inTerminal())).toMatchObject({ source: { name: "video.mp4" } });
  await page.getByRole("link", { name: "Files" }).click();
  await jobRow(page, "video").waitFor();

  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Delete the key backup" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByRole("button", { name: "Delete the key backup" }).waitFor({ state: "detached" });
  expect(JSON.parse(inTerminal())).toMatchObject({ code: "invalid_token" });
});

test("a new password ends the session here and everywhere else", async () => {
  const email = await register();
  const page = await newPage();
  const other = await newPage();
  for (const one of [page, other]) await signIn(one, email);
  await page.getByRole("link", { name: "Settings" }).click();
  const form = page.getByRole("region", { name: "Password" });
  await form.getByLabel("Password until now").fill("not the password");
  await form.getByLabel("New password").fill("another long password");
  await form.getByRole("button", { name: "Change the password" }).click();
  await form.getByRole("alert").filter({ hasText: "not your password" }).waitFor();
  await form.getByLabel("Password until now").fill(PASSWORD);
  await form.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("Your password is changed.").waitFor();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();

  await other.reload();
  await other.getByText("Your session has ended.").waitFor();
  await trySignIn(other, email);
  await other.getByRole("alert").filter({ hasText: "don’t go together" }).waitFor();
  for (const one of [page, other]) await signIn(one, email, "another long password");
});

test("a new address counts when the link that was mailed there is followed", async () => {
  const email = await register();
  const next = newAddress("countess");
  const page = await newPage();
  await signIn(page, email);
  await page.getByRole("link", { name: "Settings" }).click();
  const form = page.getByRole("region", { name: "Address" });
  await form.getByLabel("New address").fill(next);
  await form.getByLabel("Your password").fill(PASSWORD);
  await form.getByRole("button", { name: "Change the address" }).click();
  await form.getByText(`We have written to ${next}.`).waitFor();
  await form.getByText(`You sign in with ${email}`).waitFor();

  await page.goto(await mailedLink(next, "verify"));
  await page.getByText("Your address is confirmed.").waitFor();
  const other = await newPage();
  await signIn(other, next);
  await other.getByRole("button", { name: "Your account" }).click();
  await other.getByText(next).waitFor();
  const third = await newPage();
  await trySignIn(third, email);
  await third.getByRole("alert").filter({ hasText: "don’t go together" }).waitFor();
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
