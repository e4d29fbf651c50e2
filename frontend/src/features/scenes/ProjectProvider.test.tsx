import { act, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Scene } from "@/lib/api";
import { PROJECT_ID, sceneWith } from "@/test-scenes";
import { ProjectProvider, useProject } from "./ProjectProvider";

/** An event stream that the test speaks through. */
class Stream extends EventTarget {
  static readonly OPEN = 1;
  static all: Stream[] = [];
  readyState = Stream.OPEN;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    Stream.all.push(this);
  }
  close() {
    this.readyState = 2;
  }
  static tell(name: string, data: unknown) {
    act(() => {
      for (const stream of Stream.all.filter((each) => each.readyState === Stream.OPEN))
        stream.dispatchEvent(new MessageEvent(name, { data: typeof data === "string" ? data : JSON.stringify(data) }));
    });
  }
  static get open() {
    return Stream.all.filter((stream) => stream.readyState === Stream.OPEN);
  }
}

let posted: string[];

beforeEach(() => {
  vi.useFakeTimers();
  Stream.all = [];
  posted = [];
  vi.stubGlobal("EventSource", Stream);
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.url.endsWith("/media/store")) posted.push((await request.json()).scene_id);
    return new Response("{}", { status: 202, headers: { "Content-Type": "application/json" } });
  });
});
afterEach(() => {
  vi.useRealTimers();
});

function Probe() {
  const { state, scenes } = useProject();
  return (
    <p>
      {state.connection}: {scenes.map((scene) => scene.id).join(" ")}
    </p>
  );
}

function show() {
  return render(
    <StrictMode>
      <ProjectProvider projectId={PROJECT_ID}>
        <Probe />
      </ProjectProvider>
    </StrictMode>,
  );
}

function tellSnapshot(scenes: Scene[]) {
  Stream.tell("snapshot", { id: PROJECT_ID, title: "Harbour", version: 1, created_at: "", updated_at: "", scenes });
}

const later = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

test("two pending scenes are two posts under StrictMode, and none more after leaving and coming back", async () => {
  const pending = [sceneWith("strict-a", "pending"), sceneWith("strict-b", "pending")];
  const first = show();
  tellSnapshot(pending);
  await later(5000);
  expect(posted).toEqual(["strict-a", "strict-b"]);
  first.unmount();
  show();
  tellSnapshot(pending);
  await later(5000);
  expect(posted).toHaveLength(2);
});

test("progress of other scenes does not put the reconciliation off", async () => {
  show();
  tellSnapshot([sceneWith("put-off", "pending"), sceneWith("busy", "downloading")]);
  for (let version = 2; version < 12; version += 1) {
    await later(300);
    Stream.tell("scene", sceneWith("busy", "downloading", { version }));
  }
  expect(posted).toEqual(["put-off"]);
});

test("StrictMode leaves one stream open, and leaving none", () => {
  const { unmount } = show();
  expect(Stream.open).toHaveLength(1);
  unmount();
  expect(Stream.open).toHaveLength(0);
});

test("a broken stream says so, is opened again, and brings the page up to date", async () => {
  show();
  tellSnapshot([sceneWith("a", "ready")]);
  act(() => Stream.open[0]?.onerror?.());
  expect(screen.getByText("offline: a")).toBeTruthy();
  await later(2000);
  tellSnapshot([sceneWith("a", "ready"), sceneWith("b", "ready")]);
  expect(screen.getByText("live: a b")).toBeTruthy();
});

test("a lost network is tried at once: what works without it stays live", () => {
  show();
  tellSnapshot([sceneWith("a", "ready")]);
  const [before] = Stream.open;
  act(() => void window.dispatchEvent(new Event("offline")));
  expect(Stream.open).toHaveLength(1);
  expect(Stream.open[0]).not.toBe(before);
  tellSnapshot([sceneWith("a", "ready")]);
  expect(screen.getByText("live: a")).toBeTruthy();
});

test("events of a later server, and broken ones, pass unnoticed", () => {
  show();
  tellSnapshot([sceneWith("a", "ready")]);
  Stream.tell("weather", { is: "fine" });
  Stream.tell("scene", "{ not JSON");
  expect(screen.getByText("live: a")).toBeTruthy();
});
