import { expect, test } from "vitest";
import { EventParser } from "./sse";

const STREAM =
  ': hello\n\nevent: job\ndata: {"id":\ndata: 1}\n\ndata:x\r\n\r\nevent: removed\rdata: {"id":"ü"}\r\revent: empty\n\n';
const EVENTS = [
  { name: "job", data: '{"id":\n1}' },
  { name: "message", data: "x" },
  { name: "removed", data: '{"id":"ü"}' },
];

test("events are told apart", () => {
  expect(new EventParser().push(STREAM)).toEqual(EVENTS);
});

test("it does not matter where the network cuts", () => {
  for (let at = 1; at < STREAM.length; at += 1) {
    const parser = new EventParser();
    expect([...parser.push(STREAM.slice(0, at)), ...parser.push(STREAM.slice(at))], `cut at ${at}`).toEqual(EVENTS);
  }
  const parser = new EventParser();
  expect([...STREAM].flatMap((character) => parser.push(character))).toEqual(EVENTS);
});

test("an event that has not ended is not there", () => {
  expect(new EventParser().push("event: job\ndata: half\n")).toEqual([]);
});
