import { expect, test } from "vitest";
import { heights } from "./peaks";

test("each bar is as high as the loudest sample under it", () => {
  expect(heights({ bits: 8, data: [-64, 10, -3, 32, -128, 5, 0, 0] }, 4)).toEqual([0.5, 0.25, 1, 0]);
  expect(heights({ bits: 8, data: [-64, 10, -3, 32, -128, 5, 0, 0] }, 2)).toEqual([0.5, 1]);
});

test("a short sound fills the width", () => {
  expect(heights({ bits: 8, data: [-64, 64] }, 3)).toEqual([1, 1, 1]);
});

test("quiet is drawn large, and silence flat", () => {
  expect(heights({ bits: 8, data: [-4, 4, -2, 2] }, 2)).toEqual([1, 0.5]);
  expect(heights({ bits: 8, data: [0, 0, 0, 0] }, 2)).toEqual([0, 0]);
  expect(heights({ bits: 8, data: [] }, 2)).toEqual([]);
});
