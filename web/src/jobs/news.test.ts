import { expect, test } from "vitest";
import type { Job, JobStatus } from "../api/types";
import { endedSince, seenNow } from "./news";

const job = (id: string, status: JobStatus) => ({ id, status }) as Job;

test("what ended while nobody looked is news, once", () => {
  const before = [job("3", "queued"), job("2", "converting"), job("1", "converted")];
  const after = [job("4", "failed"), job("3", "converting"), job("2", "converted"), job("1", "converted")];
  expect(endedSince(seenNow(before), after).map(({ id }) => id)).toEqual(["4", "2"]);
  expect(endedSince(seenNow(after), after)).toEqual([]);
});

test("what was cancelled or has expired is none", () => {
  expect(
    endedSince(seenNow([job("1", "queued"), job("2", "queued")]), [job("1", "cancelled"), job("2", "expired")]),
  ).toEqual([]);
});
