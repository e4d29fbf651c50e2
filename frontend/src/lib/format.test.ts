import { expect, test } from "vitest";
import { formatBytes, formatBytesOf, formatDuration, formatTimeLeft, plural } from "./format";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [999_960, "1.0 MB"],
  [1_599_274, "1.6 MB"],
  [210_000_000, "210 MB"],
  [10_737_418_240, "10.7 GB"],
])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test("a part and its whole share a unit, and the part is never the larger", () => {
  expect(formatBytesOf(41_000_000, 210_000_000)).toBe("41.0 of 210 MB");
  expect(formatBytesOf(3_000_000, 2_000_000)).toBe("2.0 of 2.0 MB");
});

test.each([
  [0.2, "1 s"],
  [59, "59 s"],
  [119, "2 min"],
  [3600, "1 h"],
  [3900, "1 h 5 min"],
])("%d s left are %s", (seconds, text) => expect(formatTimeLeft(seconds)).toBe(text));

test.each([
  [5, "0:05"],
  [65, "1:05"],
  [3723, "1:02:03"],
])("%d s long is %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

test("one is one", () => {
  expect([plural(1, "scene"), plural(2, "scene"), plural(1200, "link was", "links were")]).toEqual([
    "1 scene",
    "2 scenes",
    "1,200 links were",
  ]);
});
