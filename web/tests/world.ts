// What the browser tests stand on: a running Mixdown (BASE_URL), its inbox (INBOX_URL), what tests/browser.rs
// has set up in it (SCENE), a browser, and videos.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { Wire } from "./wire";

export const BASE = required("MIXDOWN_URL", "BASE_URL").replace(/\/$/, "");
const INBOX = required("INBOX_URL").replace(/\/$/, "");

export interface Person {
  email: string;
  password: string;
}

/** What is there from the beginning, since no browser could make it. */
export const SCENE = JSON.parse(required("SCENE")) as {
  administrator: Person;
  /** Has one video, whose conversion ran out of time. */
  unlucky: Person;
  /** Has one video, whose file is not kept any more. */
  late: Person;
  /** Where services reach the provider of identities, and where browsers do. */
  provider: { issuer: string; door: string };
};

/** How long a conversion, a mail or a page may take on a busy machine. */
export const PATIENCE_MS = 20_000;

export const PASSWORD = "enchantress of numbers";

function required(name: string, shownName = name): string {
  const value = process.env[name];
  if (!value) throw new Error(`${shownName} is not set: these tests need a running Mixdown. Run \`make test-web\`.`);
  return value;
}

/** Debian's; any other by CHROMIUM. */
function program(): string {
  const found = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
    (path) => path && existsSync(path),
  );
  if (!found) throw new Error("there is no chromium; scripts/install.sh tests installs it");
  return found;
}

let browser: Browser;
/** Where the videos are. */
let folder: string;
export const wire = new Wire(new URL(BASE));
let contexts: BrowserContext[] = [];
/** What the browser complained about: a violated policy, an error that nobody caught. */
let complaints: string[] = [];

/** Gives the tests of a file a browser; each test must leave it without a complaint. */
export function withBrowser(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "mixdown-web-"));
    const port = await wire.open();
    browser = await chromium.launch({
      executablePath: program(),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        `--host-resolver-rules=${[
          `MAP ${new URL(BASE).host} 127.0.0.1:${port}`,
          `MAP ${new URL(SCENE.provider.issuer).host} ${new URL(SCENE.provider.door).host}`,
        ].join(",")}`,
        "--autoplay-policy=no-user-gesture-required",
      ],
    });
  });
  afterEach(async () => {
    wire.mend();
    for (const context of contexts) await context.close();
    contexts = [];
    const found = complaints;
    complaints = [];
    expect(found).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    wire.close();
    // Not when the process ends: that of a test is killed.
    rmSync(folder, { recursive: true, force: true });
  });
}

/** A browser of somebody who was never here. */
export async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({
    baseURL: BASE,
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  context.on("weberror", (error) => complaints.push(`uncaught: ${error.error().message}`));
  context.on("console", (message) => {
    // The browser reports each refused request as an error, such as one with no network; that is no complaint of ours.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  // Files are picked through the plain dialog, which a test can answer.
  await context.addInitScript(() => Reflect.deleteProperty(window, "showOpenFilePicker"));
  contexts.push(context);
  return context;
}

/** For a test that provokes a complaint: takes it out of those that it would fail for. */
export function forgive(pattern: RegExp): void {
  complaints = complaints.filter((complaint) => !pattern.test(complaint));
}

export async function newPage(options: BrowserContextOptions = {}): Promise<Page> {
  return (await newContext(options)).newPage();
}

export function newAddress(name = "ada"): string {
  return `${name}-${randomUUID()}@example.org`;
}

/** Makes an account whose address is confirmed, without the page. */
export async function register(email = newAddress()): Promise<string> {
  await post("/register", { email, password: PASSWORD });
  await post("/verify", { token: await mailedToken(email) });
  return email;
}

async function post(path: string, body: unknown): Promise<Response> {
  const answer = await fetch(BASE + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return answer;
}

/** A token, as a program gets one. */
export async function tokenOf(email: string): Promise<string> {
  const answer = await post("/login", { email, password: PASSWORD });
  return ((await answer.json()) as { access_token: string }).access_token;
}

/** Uploads as a program does; the job's id. */
export async function upload(token: string, name: string, content: string | Buffer): Promise<string> {
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

/** A page with somebody signed in. */
export async function signedIn(options: BrowserContextOptions = {}): Promise<Page> {
  const email = await register();
  const page = await newPage(options);
  await signIn(page, email);
  return page;
}

export async function signIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await trySignIn(page, email, password);
  await page.getByRole("button", { name: "Choose videos" }).waitFor();
}

/** The page for administrators, with one of them signed in. */
export async function administration(options: BrowserContextOptions = {}): Promise<Page> {
  const page = await newPage(options);
  await signIn(page, SCENE.administrator.email, SCENE.administrator.password);
  await page.getByRole("link", { name: "Admin" }).click();
  await page.getByRole("heading", { name: "Admin", level: 1 }).waitFor();
  return page;
}

/** Fills in the form and sends it, whatever comes of it. */
export async function trySignIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.goto("/sign-in");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

interface CaughtMail {
  text?: string;
  envelope: { to: { address: string }[] };
}

/** The text of the newest mail to an address that has what is looked for. */
export async function mailTo(address: string, pattern: RegExp): Promise<string> {
  let found: string | undefined;
  await expect
    .poll(
      async () => {
        const mails = (await (await fetch(`${INBOX}/email`)).json()) as CaughtMail[];
        found = mails
          .filter(({ envelope }) => envelope.to.some((recipient) => recipient.address === address))
          .map(({ text }) => text ?? "")
          .findLast((text) => pattern.test(text));
        return found;
      },
      { timeout: PATIENCE_MS, message: `a mail to ${address} with ${pattern}` },
    )
    .toBeDefined();
  return found ?? "";
}

/** The link in the mail that confirms an address. */
export async function mailedLink(address: string, path: "verify" | "reset"): Promise<string> {
  const pattern = new RegExp(`\\S+/${path}#token=[^\\s>)]+`);
  return pattern.exec(await mailTo(address, pattern))?.[0] ?? "";
}

async function mailedToken(address: string): Promise<string> {
  return new URL(await mailedLink(address, "verify")).hash.replace("#token=", "");
}

/** Where a file goes; its name may have folders in front. */
function pathOf(name: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  return path;
}

interface VideoOptions {
  seconds?: number;
  /** Bytes of nothing at its end, which players ignore: for an upload that takes a while. */
  padding?: number;
  hasSound?: boolean;
}

/** A video with a sound that swells and fades, made by FFmpeg. */
export function video(name: string, { seconds = 5, padding = 0, hasSound = true }: VideoOptions = {}): string {
  const path = pathOf(name);
  // Other names sound otherwise.
  const [slow, fast] = [0.11 + (name.length % 7) / 23, 1.3 + (name.length % 5) / 3];
  const swell = `abs(sin(${slow}*t+1)*sin(${fast}*t)*cos(${slow / 3}*t))`;
  const sound = `aevalsrc='(0.08+0.8*${swell}*(0.4+0.6*random(0)))*sin(2*PI*220*t)':d=${seconds}:s=44100`;
  const inputs = ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=10:duration=${seconds}`];
  if (hasSound) inputs.push("-f", "lavfi", "-i", sound);
  // Padding would follow the index of an MP4; a Matroska file has none that minds.
  execFileSync("ffmpeg", [
    "-nostdin",
    "-v",
    "error",
    "-y",
    ...inputs,
    "-c:v",
    "mpeg4",
    "-c:a",
    "aac",
    "-shortest",
    path,
  ]);
  if (padding > 0) writeFileSync(path, Buffer.alloc(padding), { flag: "a" });
  return path;
}

/** A file of any content. */
export function file(name: string, content: string | Buffer): string {
  const path = pathOf(name);
  writeFileSync(path, content);
  return path;
}

/** Drops nothing, but puts files where the dialog would. */
export async function choose(page: Page, ...paths: string[]): Promise<void> {
  await page.getByTestId("files").setInputFiles(paths);
}

/** The row of a job in the list. */
export function jobRow(page: Page, title: string) {
  return page.locator(".job").filter({ has: page.getByRole("heading", { name: title, exact: true }) });
}

/** The row of an upload under way. */
export function uploadRow(page: Page, name: string) {
  return page.locator(".upload").filter({ has: page.getByRole("heading", { name, exact: true }) });
}

/** Makes a page's network as slow as it is on the road. */
export async function slowUploads(page: Page, bytesPerSecond: number): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: bytesPerSecond,
  });
}

/** How much of an upload has been sent, in percent, as the page says. */
export async function percentSent(page: Page, name: string): Promise<number> {
  return Number(await page.getByRole("progressbar", { name: `Upload of ${name}` }).getAttribute("aria-valuenow"));
}
