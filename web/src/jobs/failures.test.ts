import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Problem } from "../api/problem";
import { PROBLEM_WORDS, wordsFor } from "../api/problemWords";
import { FAILURES, failureWords } from "./failures";

// The types hold that too, but only as long as somebody has generated them.
const document = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8"));
const codesOf = (schema: string): string[] => document.components.schemas[schema].enum;

describe("the tables of words", () => {
  test("have every reason of a failed conversion", () => {
    expect(Object.keys(FAILURES).sort()).toEqual([...codesOf("FailureCode")].sort());
  });

  test("have every problem that the gateway answers", () => {
    expect(Object.keys(PROBLEM_WORDS).sort()).toEqual([...codesOf("ProblemCode")].sort());
  });

  test("say what to do", () => {
    for (const { what, todo } of Object.values(FAILURES)) {
      expect(what).toMatch(/\.$/);
      expect(todo).toMatch(/[.?]$/);
    }
  });

  test("have an answer for codes that are newer than the page", () => {
    expect(failureWords("sun_spots", "There were sun spots.").what).toBe("There were sun spots.");
    expect(wordsFor(new Problem("moon_phase" as never, 418, "The moon is wrong"))).toBe("The moon is wrong");
  });
});
