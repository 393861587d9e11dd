import { expect, test } from "vitest";
import { bytes, clock, plural, relative, spokenClock, timeLeft } from "./format";

test("lengths read as on a player", () => {
  expect([0, 5.9, 65, 3600, 3725].map(clock)).toEqual(["0:00", "0:05", "1:05", "1:00:00", "1:02:05"]);
});

test("lengths are spoken in words", () => {
  expect([0, 1, 62, 7200].map(spokenClock)).toEqual(["0 seconds", "1 second", "1 minute 2 seconds", "2 hours"]);
});

test("sizes never show four digits", () => {
  expect([0, 999, 1000, 9_940, 9_960, 999_499, 999_500, 1.5e9, 2e12].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "9.9 kB",
    "10 kB",
    "999 kB",
    "1.0 MB",
    "1.5 GB",
    "2.0 TB",
  ]);
});

test("an estimate gets coarser the longer it is", () => {
  expect([2, 31, 58, 600, 5400].map(timeLeft)).toEqual([
    "a few seconds left",
    "about 35 s left",
    "about 1 min left",
    "about 10 min left",
    "about 1.5 h left",
  ]);
});

test("moments are told as people tell them", () => {
  const now = new Date("2026-11-21T12:00:00Z");
  const at = (seconds: number) => relative(new Date(now.getTime() + seconds * 1000), now);
  expect([-5, -120, -7200, -86_400, 3 * 86_400].map(at)).toEqual([
    "just now",
    "2 minutes ago",
    "2 hours ago",
    "yesterday",
    "in 3 days",
  ]);
});

test("one is not many", () => {
  expect([plural(1, "file"), plural(2, "file")]).toEqual(["1 file", "2 files"]);
});
