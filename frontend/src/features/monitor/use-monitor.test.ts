import { beforeEach, expect, test, vi } from "vitest";
import type { Monitor } from "@/lib/api";
import { ratesOf, retryCode, workersOf } from "./use-monitor";

function work(worker: string, sceneId: string): Monitor["work"][number] {
  return {
    worker,
    scene_id: sceneId,
    project_id: "p",
    text: "",
    source_url: "https://example.com/a.mp4",
    status: "downloading",
    progress: { bytes_done: 0, bytes_stored: 0, speed_bps: 0, stalled: false },
    started_at: "2026-11-22T12:00:00Z",
  };
}

test("each worker is shown with what its processes are at, and a silent machine last", () => {
  const items = [work("one/11", "a"), work("one/12", "b"), work("gone/5", "c")];
  const views = workersOf(["maintenance@one", "media@one", "media@two"], items);
  expect(views.map(({ name, isOnline, work: its }) => [name, isOnline, its.map((item) => item.scene_id)])).toEqual([
    ["maintenance@one", true, []],
    ["media@one", true, ["a", "b"]],
    ["media@two", true, []],
    ["gone", false, ["c"]],
  ]);
});

test("a rate is scenes per minute, over three slots", () => {
  expect(ratesOf({ slot_s: 10, stored: [0, 3, 0, 0, 0] })).toEqual([0, 9, 6, 6, 0]);
});

let answers: number[];
beforeEach(() => {
  vi.stubGlobal("fetch", async (request: Request) => {
    expect(await request.json()).toEqual({ codes: ["fetch.timeout"] });
    return new Response(JSON.stringify({ queued: answers.shift() }), {
      status: 202,
      headers: { "Content-Type": "application/json" },
    });
  });
});

test("a code is tried again until the server has queued all of it", async () => {
  answers = [1000, 1000, 7, 99];
  expect(await retryCode("fetch.timeout")).toBe(2007);
});
