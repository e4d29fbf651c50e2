/**
 * One project, live: its state from the event stream, what a person asks of it, and the storage trigger.
 *
 * Posting from the add and paste handlers is the normal way to have a link stored; `useStorageTrigger` is the
 * reconciliation that makes it certain.
 */
import { createContext, type Dispatch, type ReactNode, useContext, useMemo, useReducer } from "react";
import type { ApiError, Scene } from "@/lib/api";
import { INITIAL_STATE, type ProjectAction, type ProjectState, projectReducer, shownScenes } from "./project-reducer";
import { type Notices, useNotices } from "./use-notices";
import { useProjectEvents } from "./use-project-events";
import { type SceneActions, useSceneActions } from "./use-scene-actions";
import { useStorageTrigger } from "./use-storage-trigger";

interface ProjectView {
  state: ProjectState;
  /** In order, as they are to be shown. */
  scenes: readonly Scene[];
  /** Why the project cannot be shown, or null. */
  failure: ApiError | null;
  dispatch: Dispatch<ProjectAction>;
}

const ProjectContext = createContext<ProjectView | null>(null);
const ActionsContext = createContext<SceneActions | null>(null);
const NoticesContext = createContext<Notices | null>(null);

/** Give it the project's id as its `key` too: another project is another state. */
export function ProjectProvider({ projectId, children }: { projectId: string; children: ReactNode }) {
  const [state, dispatch] = useReducer(projectReducer, INITIAL_STATE);
  const notices = useNotices();
  const failure = useProjectEvents(projectId, dispatch);
  const actions = useSceneActions(projectId, dispatch, notices);
  useStorageTrigger(state.currentProject);
  const { currentProject, removing, moving } = state;
  const scenes = useMemo(() => shownScenes({ currentProject, removing, moving }), [currentProject, removing, moving]);
  const view = useMemo(() => ({ state, scenes, failure, dispatch }), [state, scenes, failure]);
  return (
    <ProjectContext value={view}>
      <ActionsContext value={actions}>
        <NoticesContext value={notices}>{children}</NoticesContext>
      </ActionsContext>
    </ProjectContext>
  );
}

function useGiven<Value>(value: Value | null): Value {
  if (value === null) throw new Error("There is no ProjectProvider around this.");
  return value;
}

export const useProject = (): ProjectView => useGiven(useContext(ProjectContext));
export const useActions = (): SceneActions => useGiven(useContext(ActionsContext));
export const useProjectNotices = (): Notices => useGiven(useContext(NoticesContext));
