import { expect, test } from "vitest";
import { isLikelyMedia, refusal } from "./checks";

const file = (name: string, type: string, size = 10) => ({ name, type, size });

test("what cannot be a video is refused with its reason", () => {
  expect(refusal(file("a.jpg", "image/jpeg"), undefined)).toContain("a picture");
  expect(refusal(file("a.zip", "application/zip"), undefined)).toContain("unpack");
  expect(refusal(file("a.mp4", "video/mp4", 0), undefined)).toContain("empty");
  expect(refusal(file("a.mp4", "video/mp4", 3e9), 2e9)).toBe(
    "It has 3.0 GB, and this service takes 2.0 GB at most. Cut it, or make it smaller first.",
  );
});

test("what may be one is sent, also if the browser knows nothing about it", () => {
  for (const [name, type] of [
    ["a.mp4", "video/mp4"],
    ["a.mkv", ""],
    ["noname", ""],
    ["rec.ts", "text/vnd.trolltech.linguist"],
    ["a.bin", "application/octet-stream"],
  ] as const) {
    expect(refusal(file(name, type), 100), name).toBeUndefined();
  }
});

test("a folder's other files are left out", () => {
  expect(isLikelyMedia(file("a.mov", "video/quicktime"))).toBe(true);
  expect(isLikelyMedia(file("a.mkv", ""))).toBe(true);
  expect(isLikelyMedia(file("cover.jpg", "image/jpeg"))).toBe(false);
  expect(isLikelyMedia(file("._a.mov", "video/quicktime"))).toBe(false);
});
