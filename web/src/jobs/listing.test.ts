import { expect, test } from "vitest";
import type { Job } from "../api/types";
import { allJobs, type Filter, type Pages, withJob, withoutJob } from "./listing";

const EVERYTHING: Filter = { text: "", status: undefined };

const job = (id: string, change: Partial<Job> = {}): Job =>
  ({
    id,
    status: "queued",
    source: { name: `${id}.mp4` },
    options: {},
    updated_at: "2026-01-01T00:00:00Z",
    ...change,
  }) as Job;

const pages = (...ids: string[][]): Pages => ({
  pages: ids.map(
    (page, index) =>
      ({ jobs: page.map((id) => job(id)), next_cursor: index < ids.length - 1 ? page.at(-1) : null }) as never,
  ),
  pageParams: ids.map(() => undefined),
});

const ids = (list: Pages) => allJobs(list).map(({ id }) => id);

test("a new job comes in front", () => {
  expect(ids(withJob(pages(["3", "2"], ["1"]), EVERYTHING, job("4")))).toEqual(["4", "3", "2", "1"]);
});

test("a job changes where it stands, on whatever page", () => {
  const changed = withJob(pages(["3", "2"], ["1"]), EVERYTHING, job("1", { status: "converted" }));
  expect(ids(changed)).toEqual(["3", "2", "1"]);
  expect(allJobs(changed)[2]?.status).toBe("converted");
});

test("an old version does not replace a newer one", () => {
  const list = withJob(pages(["1"]), EVERYTHING, job("1", { status: "converted", updated_at: "2026-01-02T00:00:00Z" }));
  expect(allJobs(withJob(list, EVERYTHING, job("1", { status: "converting" })))[0]?.status).toBe("converted");
});

test("what matches no more leaves a filtered list", () => {
  const queued: Filter = { text: "", status: "queued" };
  expect(ids(withJob(pages(["2", "1"]), queued, job("2", { status: "converting" })))).toEqual(["1"]);
  expect(ids(withJob(pages(["1"]), { text: "HOLIDAY", status: undefined }, job("2")))).toEqual(["1"]);
  expect(ids(withJob(pages(["1"]), { text: "2.MP", status: undefined }, job("2")))).toEqual(["2", "1"]);
});

test("a job of a page that is not loaded stays away", () => {
  const list = pages(["5", "4"]);
  const first = list.pages[0];
  if (first) first.next_cursor = "4";
  expect(ids(withJob(list, EVERYTHING, job("1")))).toEqual(["5", "4"]);
});

test("a removed job goes", () => {
  expect(ids(withoutJob(pages(["2"], ["1"]), "1"))).toEqual(["2"]);
});
