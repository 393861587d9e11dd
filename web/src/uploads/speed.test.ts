import { expect, test } from "vitest";
import { Speedometer } from "./speed";

test("the speed is that of the last seconds", () => {
  const meter = new Speedometer();
  meter.add(0, 0);
  expect(meter.speed()).toBeUndefined();
  for (let second = 1; second <= 5; second += 1) meter.add(second * 1000, second * 1000);
  expect(meter.speed()).toBe(1000);
  for (let second = 6; second <= 12; second += 1) meter.add(5000 + (second - 5) * 100, second * 1000);
  expect(meter.speed()).toBe(100);
});

test("an upload that goes on from an earlier place starts anew", () => {
  const meter = new Speedometer();
  meter.add(9000, 0);
  meter.add(1000, 1000);
  expect(meter.speed()).toBeUndefined();
  meter.add(1500, 2000);
  expect(meter.speed()).toBe(500);
});
