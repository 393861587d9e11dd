import { expect, test } from "vitest";
import { clientName } from "./clientName";

test("programs are called what people call them", () => {
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  const phone =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1";
  expect([chrome, phone, "curl/8.5.0", "", "backup-script"].map(clientName)).toEqual([
    "Chrome on Linux",
    "Safari on iOS",
    "curl",
    "An unknown program",
    "backup-script",
  ]);
});
