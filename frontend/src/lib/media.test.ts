import { expect, test } from "vitest";
import { mediaWith, sceneWith } from "@/test-scenes";
import { countGroups, progressInWords } from "./media";
import { bytesInWords, totalsOf } from "./totals";

const progress = {
  percent: 25,
  bytes_done: 500_000,
  bytes_stored: 0,
  bytes_total: 1_000_000,
  speed_bps: 100_000,
  eta_s: 15,
  stalled: false,
};

test("progress is told in bytes, speed and time left", () => {
  expect(progressInWords(mediaWith("downloading", { progress }))).toEqual({
    percent: 25,
    bytes: "0.5 of 1.0 MB fetched",
    pace: "100 kB/s",
    left: "15 s left",
  });
});

test("an unknown length is said to be unknown, and has no percent", () => {
  const unknown = { ...progress, percent: null, bytes_total: null, eta_s: null };
  expect(progressInWords(mediaWith("downloading", { progress: unknown }))).toEqual({
    percent: null,
    bytes: "500 kB of unknown",
    pace: "100 kB/s",
    left: "",
  });
});

test("stalled is said plainly, without a time left", () => {
  const { pace, left } = progressInWords(mediaWith("downloading", { progress: { ...progress, stalled: true } }));
  expect([pace, left]).toEqual(["stalled", ""]);
});

test("the whole is extrapolated from what is known, and says so", () => {
  const original = { bytes: 3_000_000, content_type: "video/mp4", filename: "a.mp4", checksum: "sha256:0" };
  const scenes = [
    sceneWith("a", "ready", { media: mediaWith("ready", { original }) }),
    sceneWith("b", "downloading", { media: mediaWith("downloading", { progress }) }),
    sceneWith("c", "queued"),
    sceneWith("d", "failed"),
    sceneWith("e", "pending", { media: null }),
  ];
  const totals = totalsOf(scenes);
  expect(totals.counts).toEqual({ stored: 1, active: 1, waiting: 1, failed: 1, canceled: 0, none: 1 });
  expect(totals.withLink).toBe(4);
  expect(bytesInWords(totals)).toBe("3.5 of about 6.0 MB, about 25 s left");
  expect(bytesInWords(totalsOf(scenes.slice(0, 2)))).toBe("3.5 of 4.0 MB, 5 s left");
});

test("states are counted by what they mean for a person", () => {
  const counts = countGroups({ queued: 2, retrying: 1, downloading: 3, ready: 4, failed: 5 });
  expect(counts).toEqual({ waiting: 3, active: 3, stored: 4, failed: 5, canceled: 0, none: 0 });
});
