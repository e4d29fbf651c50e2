import { describe, expect, test } from "vitest";
import type { ProjectWithScenes, Scene } from "@/lib/api";
import { PROJECT_ID, sceneWith } from "@/test-scenes";
import { INITIAL_STATE, type ProjectAction, type ProjectState, projectReducer, shownScenes } from "./project-reducer";

function project(scenes: Scene[]): ProjectWithScenes {
  return {
    id: PROJECT_ID,
    title: "Harbour",
    version: 3,
    created_at: "2026-11-22T12:00:00Z",
    updated_at: "2026-11-22T12:00:00Z",
    scenes,
  };
}

function stateAfter(...actions: ProjectAction[]): ProjectState {
  return actions.reduce(projectReducer, INITIAL_STATE);
}

const three = [sceneWith("a", "ready"), sceneWith("b", "queued"), sceneWith("c", "queued")];
const snapshot: ProjectAction = { type: "snapshot", project: project(three) };
const ids = (state: ProjectState) => shownScenes(state).map((scene) => scene.id);
const stateOf = (state: ProjectState, id: string) => state.currentProject?.scenes.get(id)?.media?.status;

describe("what the stream tells", () => {
  test("a snapshot is the project, and the page is live", () => {
    const state = stateAfter(snapshot);
    expect([ids(state), state.connection]).toEqual([["a", "b", "c"], "live"]);
  });

  test("what is older than what we have is dropped, from a stream, an answer or a snapshot", () => {
    const newer = sceneWith("b", "ready", { version: 7 });
    const older = sceneWith("b", "downloading", { version: 6 });
    let state = stateAfter(snapshot, { type: "scenes", scenes: [newer], from: "answer" });
    expect(projectReducer(state, { type: "scenes", scenes: [older], from: "stream" })).toBe(state);
    state = projectReducer(state, { type: "snapshot", project: project([older]) });
    expect(stateOf(state, "b")).toBe("ready");
  });

  test("a snapshot after a lost connection forgets what is gone", () => {
    expect(
      ids(stateAfter(snapshot, { type: "snapshot", project: project([sceneWith("c", "ready", { version: 2 })]) })),
    ).toEqual(["c"]);
  });

  test("a scene of another project is none of ours", () => {
    const stranger = sceneWith("x", "ready", { project_id: "elsewhere" });
    expect(ids(stateAfter(snapshot, { type: "scenes", scenes: [stranger], from: "stream" }))).toEqual(["a", "b", "c"]);
  });

  test("a late answer does not bring back what was deleted; the stream and a restoration do", () => {
    const late = sceneWith("b", "ready", { version: 9 });
    const gone = stateAfter(snapshot, { type: "scene_deleted", ids: ["b"] });
    expect(ids(projectReducer(gone, { type: "scenes", scenes: [late], from: "answer" }))).toEqual(["a", "c"]);
    expect(ids(projectReducer(gone, { type: "scenes", scenes: [late], from: "stream" }))).toEqual(["a", "b", "c"]);
    expect(ids(projectReducer(gone, { type: "scenes", scenes: [late], from: "restored" }))).toEqual(["a", "b", "c"]);
  });

  test("an older title does not overwrite a newer one", () => {
    const { scenes: _, ...older } = project([]);
    const state = stateAfter(snapshot, { type: "project", project: { ...older, title: "Old", version: 2 } });
    expect(state.currentProject?.title).toBe("Harbour");
  });
});

describe("what is shown before the server has answered", () => {
  test("a removed scene is hidden at once, and is back where that fails", () => {
    const hidden = stateAfter(snapshot, { type: "removing", ids: ["b"] });
    expect(ids(hidden)).toEqual(["a", "c"]);
    expect(ids(projectReducer(hidden, { type: "removing_failed", ids: ["b"] }))).toEqual(["a", "b", "c"]);
  });

  test("a moved scene is in its new place at once, and back where that fails", () => {
    const moved = stateAfter(snapshot, { type: "moving", move: { key: 1, id: "c", after: null } });
    expect(ids(moved)).toEqual(["c", "a", "b"]);
    expect(ids(projectReducer(moved, { type: "moving_ended", key: 1 }))).toEqual(["a", "b", "c"]);
  });

  test("moves follow one another", () => {
    const moved = stateAfter(
      snapshot,
      { type: "moving", move: { key: 1, id: "c", after: "a" } },
      { type: "moving", move: { key: 2, id: "c", after: null } },
      { type: "moving", move: { key: 3, id: "a", after: "b" } },
    );
    expect(ids(moved)).toEqual(["c", "b", "a"]);
  });

  test("a move behind a scene that is gone leaves the order as it is", () => {
    expect(ids(stateAfter(snapshot, { type: "moving", move: { key: 1, id: "b", after: "gone" } }))).toEqual([
      "a",
      "b",
      "c",
    ]);
  });

  test("a new scene takes the place of its link, whoever tells of it first", () => {
    const adding: ProjectAction = {
      type: "adding",
      scenes: [
        { key: "1", link: "https://example.com/d.mp4" },
        { key: "2", link: "https://example.com/d.mp4" },
      ],
    };
    const made = sceneWith("d", "pending");
    const state = stateAfter(snapshot, adding, { type: "scenes", scenes: [made], from: "stream" });
    expect(state.adding.map(({ key }) => key)).toEqual(["2"]);
    const again = projectReducer(state, { type: "scenes", scenes: [{ ...made, version: 2 }], from: "answer" });
    expect(again.adding).toHaveLength(1);
    expect(projectReducer(again, { type: "adding_ended", keys: ["1", "2"] }).adding).toEqual([]);
  });
});
