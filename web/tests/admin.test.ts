import { expect, test } from "vitest";
import { administration, newAddress, newPage, register, signIn, trySignIn, withBrowser } from "./world";

withBrowser();

test("an administrator finds an account, closes it, and opens it again", async () => {
  const email = await register(newAddress("george"));
  const page = await administration();
  await page.getByLabel("Find an address").fill(email.toUpperCase().slice(0, 30));
  const rows = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
  await expect.poll(() => rows.count()).toBe(1);
  await rows.getByRole("rowheader", { name: email }).waitFor();
  await rows.getByRole("cell", { name: "open", exact: true }).waitFor();
  await page.getByRole("button", { name: `Close the account of ${email}` }).click();
  await rows.getByRole("cell", { name: "closed", exact: true }).waitFor();

  const theirs = await newPage();
  await trySignIn(theirs, email);
  await theirs.getByRole("alert").filter({ hasText: "This account is closed." }).waitFor();
  await page.getByRole("button", { name: `Open the account of ${email}` }).click();
  await rows.getByRole("cell", { name: "open", exact: true }).waitFor();
  await signIn(theirs, email);

  // For other people there is no such page.
  expect(await theirs.getByRole("link", { name: "Admin" }).count()).toBe(0);
  await theirs.goto("/admin");
  await theirs.getByRole("button", { name: "Choose videos" }).waitFor();
  expect(new URL(theirs.url()).pathname).toBe("/");
});

test("an administrator sees what waits, and what nobody could handle and why, and sends it again", async () => {
  const page = await administration();
  for (const [name, dead] of [
    ["Videos that wait for a converter", "None given up"],
    ["Results that wait for their mail", "None given up"],
    ["Mails about accounts", "2 messages that nobody could handle"],
  ] as const) {
    const queue = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name }) });
    await queue.getByText(/^\d+ waiting$/).waitFor();
    await queue.getByText(dead).waitFor();
  }
  await page.getByRole("button", { name: "Look at them" }).click();
  const letters = page.getByRole("list", { name: "What nobody could handle" }).getByRole("listitem");
  await expect.poll(() => letters.count()).toBe(2);
  for (const [name, version] of [
    ["from the past", 0],
    ["from the future", 1000],
  ] as const) {
    const letter = letters.filter({ hasText: name });
    await letter.getByText(`the body's version is ${version}, which this build does not know`).waitFor();
    await letter.getByText(/tried once · \d+ B · first sent \d+ \w+ \d{4}/).waitFor();
  }
  await page.getByRole("button", { name: "Send them again" }).click();
  await page.getByText("They are on their way again.").waitFor();
  // Nobody understands them this time either.
  await expect
    .poll(async () => {
      await page.getByRole("button", { name: "Look again" }).click();
      return page.getByText("2 messages that nobody could handle").count();
    })
    .toBe(1);
});
