/** A project's state in the page: what the server said last, and what was asked of it and is not answered yet. */
import type { Project, ProjectWithScenes, Scene } from "@/lib/api";

export type Connection = "connecting" | "live" | "offline";

/** A link that was pasted and has no scene yet. */
export interface PendingScene {
  key: string;
  link: string;
}

export interface CurrentProject {
  id: string;
  title: string;
  version: number;
  scenes: ReadonlyMap<string, Scene>;
}

export interface ProjectState {
  currentProject: CurrentProject | null;
  connection: Connection;
  deleted: boolean;
  adding: readonly PendingScene[];
  /** Asked to be removed: hidden at once, shown again where that fails. */
  removing: ReadonlySet<string>;
  /** Asked to be moved: the scene goes behind `after` (null: to the beginning) until the server has answered. */
  moving: readonly Move[];
  /** Scenes that are gone: a late answer to an earlier request does not bring them back. */
  gone: ReadonlySet<string>;
}

export interface Move {
  key: number;
  id: string;
  after: string | null;
}

/** The stream is in order, and a restoration is the last word; an answer may be older than either. */
export type Source = "stream" | "answer" | "restored";

export type ProjectAction =
  | { type: "snapshot"; project: ProjectWithScenes }
  | { type: "project"; project: Project }
  | { type: "scenes"; scenes: readonly Scene[]; from: Source }
  | { type: "scene_deleted"; ids: readonly string[] }
  | { type: "project_deleted" }
  | { type: "connection"; connection: Connection }
  | { type: "adding"; scenes: readonly PendingScene[] }
  | { type: "adding_ended"; keys: readonly string[] }
  | { type: "removing"; ids: readonly string[] }
  | { type: "removing_failed"; ids: readonly string[] }
  | { type: "moving"; move: Move }
  | { type: "moving_ended"; key: number };

export const INITIAL_STATE: ProjectState = {
  currentProject: null,
  connection: "connecting",
  deleted: false,
  adding: [],
  removing: new Set(),
  moving: [],
  gone: new Set(),
};

export function projectReducer(state: ProjectState, action: ProjectAction): ProjectState {
  switch (action.type) {
    case "snapshot":
      return withSnapshot(state, action.project);
    case "project":
      return withProject(state, action.project);
    case "scenes":
      return withScenes(state, action.scenes, action.from);
    case "scene_deleted":
      return withoutScenes(state, action.ids);
    case "project_deleted":
      return { ...state, deleted: true };
    case "connection":
      return state.connection === action.connection ? state : { ...state, connection: action.connection };
    case "adding":
      return { ...state, adding: [...state.adding, ...action.scenes] };
    case "adding_ended":
      return { ...state, adding: state.adding.filter((pending) => !action.keys.includes(pending.key)) };
    case "removing":
      return { ...state, removing: new Set([...state.removing, ...action.ids]) };
    case "removing_failed":
      return { ...state, removing: without(state.removing, action.ids) };
    case "moving":
      return { ...state, moving: [...state.moving, action.move] };
    case "moving_ended":
      return { ...state, moving: state.moving.filter((move) => move.key !== action.key) };
  }
}

function without(set: ReadonlySet<string>, ids: readonly string[]): ReadonlySet<string> {
  const rest = new Set(set);
  for (const id of ids) rest.delete(id);
  return rest;
}

/** All there is; but what we have read later than the snapshot stays as it is. */
function withSnapshot(state: ProjectState, project: ProjectWithScenes): ProjectState {
  const known = state.currentProject?.id === project.id ? state.currentProject.scenes : new Map<string, Scene>();
  const scenes = new Map(project.scenes.map((scene) => [scene.id, newer(known.get(scene.id), scene)]));
  const { id, title, version } = project;
  return {
    ...state,
    currentProject: { id, title, version, scenes },
    connection: "live",
    deleted: false,
    gone: new Set(),
    adding: adopt(state.adding, known, project.scenes),
    removing: without(
      state.removing,
      [...state.removing].filter((removed) => !scenes.has(removed)),
    ),
  };
}

function withProject(state: ProjectState, { id, title, version }: Project): ProjectState {
  const current = state.currentProject;
  if (!current || current.id !== id || current.version >= version) return state;
  return { ...state, currentProject: { ...current, title, version } };
}

function newer(known: Scene | undefined, read: Scene): Scene {
  return known && known.version >= read.version ? known : read;
}

function withScenes(state: ProjectState, read: readonly Scene[], from: Source): ProjectState {
  const current = state.currentProject;
  if (!current) return state;
  const fresh = read.filter(
    (scene) =>
      scene.project_id === current.id &&
      scene.version > (current.scenes.get(scene.id)?.version ?? -1) &&
      (from !== "answer" || !state.gone.has(scene.id)),
  );
  if (fresh.length === 0) return state;
  const scenes = new Map(current.scenes);
  for (const scene of fresh) scenes.set(scene.id, scene);
  return {
    ...state,
    currentProject: { ...current, scenes },
    adding: adopt(state.adding, current.scenes, fresh),
    gone: without(
      state.gone,
      fresh.map((scene) => scene.id),
    ),
  };
}

/** A new scene takes the place of the pasted link that it was made from, whoever tells of it first. */
function adopt(
  adding: readonly PendingScene[],
  known: ReadonlyMap<string, Scene>,
  read: readonly Scene[],
): readonly PendingScene[] {
  if (adding.length === 0) return adding;
  const rest = [...adding];
  for (const scene of read) {
    if (known.has(scene.id)) continue;
    const place = rest.findIndex((pending) => pending.link === scene.media?.source_url);
    if (place >= 0) rest.splice(place, 1);
  }
  return rest;
}

function withoutScenes(state: ProjectState, ids: readonly string[]): ProjectState {
  const current = state.currentProject;
  if (!current) return state;
  const scenes = new Map(current.scenes);
  for (const id of ids) scenes.delete(id);
  return {
    ...state,
    currentProject: { ...current, scenes },
    gone: new Set([...state.gone, ...ids]),
    removing: without(state.removing, ids),
  };
}

/** The scenes as they are shown: in order, moved where a move is under way, without those being removed. */
export function shownScenes(state: Pick<ProjectState, "currentProject" | "removing" | "moving">): Scene[] {
  const scenes = [...(state.currentProject?.scenes.values() ?? [])].filter((scene) => !state.removing.has(scene.id));
  scenes.sort((a, b) => (a.position === b.position ? (a.id < b.id ? -1 : 1) : a.position < b.position ? -1 : 1));
  for (const move of state.moving) moveWithin(scenes, move);
  return scenes;
}

function moveWithin(scenes: Scene[], { id, after }: Move): void {
  const from = scenes.findIndex((scene) => scene.id === id);
  const [moved] = from >= 0 ? scenes.splice(from, 1) : [];
  if (!moved) return;
  const place = after === null ? -1 : scenes.findIndex((scene) => scene.id === after);
  scenes.splice(after !== null && place < 0 ? from : place + 1, 0, moved);
}
