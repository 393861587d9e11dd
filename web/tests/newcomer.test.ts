import { expect, test } from "vitest";
import {
  choose,
  jobRow,
  mailedLink,
  mailTo,
  newAddress,
  newPage,
  PASSWORD,
  register,
  signIn,
  video,
  withBrowser,
} from "./world";

withBrowser();

test("a newcomer gets from the first look at the page to hearing their music", async () => {
  const email = newAddress();
  const page = await newPage();
  await page.goto("/");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByText(`We have written to ${email}`).waitFor();

  await page.goto(await mailedLink(email, "verify"));
  await page.getByText("Your address is confirmed").waitFor();
  expect(page.url()).not.toContain("token");
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();

  await page.getByRole("heading", { name: "Your music will be here" }).waitFor();
  await choose(page, video("First song.mkv", { seconds: 8 }));
  const row = jobRow(page, "First song");
  const sound = page.waitForResponse((response) => response.url().includes("/d/") && response.ok());
  await row.getByRole("button", { name: "Play First song" }).click();
  expect((await sound).headers()["content-type"]).toBe("audio/mpeg");
  await row.getByRole("button", { name: "Pause First song" }).waitFor();
  const slider = row.getByRole("slider");
  await expect.poll(async () => Number(await slider.getAttribute("aria-valuenow"))).toBeGreaterThan(0);

  // And the mail brings a link as well.
  expect(await mailTo(email, /\/d\/\S+/)).toContain("/d/");
});

test("a session survives a reload, keeps no token where scripts of others could find it, and ends", async () => {
  const page = await newPage();
  await signIn(page, await register());
  await page.reload();
  await page.getByRole("button", { name: "Choose videos" }).waitFor();
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]),
  );
  expect(kept).not.toMatch(/eyJ|refresh/);

  await page.getByRole("button", { name: "Your account" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto("/settings");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("who forgot the password sets another one", async () => {
  const email = await register();
  const page = await newPage();
  await page.goto("/sign-in");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").filter({ hasText: "don’t go together" }).waitFor();

  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.goto(await mailedLink(email, "reset"));
  await page.getByLabel("New password", { exact: true }).fill("another long password");
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("Your new password is set").waitFor();
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("another long password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Choose videos" }).waitFor();
});

test("a link that was used says so", async () => {
  const page = await newPage();
  await page.goto("/verify#token=used-long-ago");
  await page.getByRole("alert").filter({ hasText: "does not work any more" }).waitFor();
});
