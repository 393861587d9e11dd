import { expect, test } from "vitest";
import { complaints, DEFAULTS, fieldsOf, position, summary, tidy } from "./options";

test("the default sends nothing at all", () => {
  expect(fieldsOf(DEFAULTS)).toEqual({});
  expect(summary(DEFAULTS)).toBe("MP3, very good (V2)");
});

test("fields have the names of the interface", () => {
  const options = {
    ...DEFAULTS,
    quality: "192",
    sampleRate: "44100",
    start: " 1:00 ",
    normalize: "-16",
    isSequential: true,
  };
  expect(fieldsOf(options)).toEqual({
    bitrate: "192",
    sample_rate: "44100",
    start: "1:00",
    normalize: "-16",
    encoder: "sequential",
  });
});

test("what does not go together is not sent", () => {
  expect(fieldsOf({ ...DEFAULTS, format: "flac", quality: "192", isSequential: true })).toEqual({ format: "flac" });
  expect(fieldsOf({ ...DEFAULTS, format: "opus", sampleRate: "44100", cover: "0:12" })).toEqual({ format: "opus" });
  expect(tidy({ ...DEFAULTS, quality: "320", sampleRate: "22050" }).sampleRate).toBe("");
  expect(tidy({ ...DEFAULTS, quality: "128", sampleRate: "22050" }).sampleRate).toBe("22050");
});

test("times are read as the gateway reads them", () => {
  expect(["62.5", "1:02.5", "00:01:02.500", "0"].map(position)).toEqual([62.5, 62.5, 62.5, 0]);
  expect(["", "-1", "1:60", "1:60:00", "x", "1:", "1e3"].map(position)).toEqual(Array(7).fill(undefined));
});

test("an end before the start is complained about", () => {
  expect(complaints({ ...DEFAULTS, start: "0:30", end: "0:10" }).end).toBeDefined();
  expect(complaints({ ...DEFAULTS, start: "0:10", end: "0:30" })).toEqual({});
});

test("a track is a number, a language in any of its forms, or all", () => {
  for (const track of ["", "0", "12", "en", "ENG", "pt-BR", "zh-Hans-CN", " deu ", "all"])
    expect(complaints({ ...DEFAULTS, track }).track, track).toBeUndefined();
  for (const track of ["../", "english", "e", "-1", "de-", "de_AT", `en${"-abcdefgh".repeat(4)}`])
    expect(complaints({ ...DEFAULTS, track }).track, track).toBeDefined();
});
