// Signing in with an outside provider of identities, which lets everybody in as Ada.
import { expect, test } from "vitest";
import { newPage, withBrowser } from "./world";

withBrowser();

test("who signs in elsewhere comes back signed in, and needs no password", async () => {
  const page = await newPage();
  await page.goto("/sign-in");
  await page.getByRole("link", { name: "Continue with The Provider" }).click();
  await page.getByRole("button", { name: "Choose videos" }).waitFor();
  expect(page.url()).not.toContain("code");
  await page.reload();
  await page.getByRole("button", { name: "Your account" }).click();
  await page.getByText("ada@example.org").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByText("You have none, since you sign in elsewhere.").waitFor();
  await page.getByRole("button", { name: "Your account" }).click();
  await page.locator("#account").getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("link", { name: "Continue with The Provider" }).waitFor();
});

test("who comes back without having signed in there is told so", async () => {
  const page = await newPage();
  await page.goto("/oidc/main/callback?state=made-up&code=made-up");
  await page.getByRole("alert").filter({ hasText: "Signing in there did not work." }).waitFor();
  await page.getByRole("link", { name: "Continue with The Provider" }).waitFor();
});
