/** The project's event stream: `snapshot` first, then each change; opened again, with patience, whenever it breaks. */
import { useEffect, useState } from "react";
import { ApiError, ask, client, eventsUrl, type Project, type ProjectWithScenes, type Scene } from "@/lib/api";
import type { ProjectAction } from "./project-reducer";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** A page in the background gives its connection back: a browser has six for one server, and each tab holds one. */
const HIDDEN_MS = 60_000;

/** A clock that jumps tells of a machine that slept. */
const PULSE_MS = 2000;
const ASLEEP_MS = 10_000;

type Dispatch = (action: ProjectAction) => void;

/** Keeps the state right for as long as the component is there; why the project cannot be shown at all, or null. */
export function useProjectEvents(projectId: string, dispatch: Dispatch): ApiError | null {
  const [failure, setFailure] = useState<ApiError | null>(null);
  useEffect(() => {
    setFailure(null);
    return watchProject(projectId, dispatch, setFailure);
  }, [projectId, dispatch]);
  return failure;
}

/** Watch until the returned function is called. */
export function watchProject(
  projectId: string,
  dispatch: Dispatch,
  onFailure: (failure: ApiError | null) => void,
): () => void {
  let source: EventSource | null = null;
  let timer: number | undefined;
  let hiddenTimer: number | undefined;
  let wait = FIRST_WAIT_MS;
  let ended = false;

  const close = () => {
    window.clearTimeout(timer);
    source?.close();
    source = null;
  };

  const open = () => {
    close();
    const opened = new EventSource(eventsUrl(projectId));
    source = opened;
    listen<ProjectWithScenes>(opened, "snapshot", (project) => {
      wait = FIRST_WAIT_MS;
      onFailure(null);
      dispatch({ type: "snapshot", project });
    });
    listen<Scene>(opened, "scene", (scene) => dispatch({ type: "scenes", scenes: [scene], from: "stream" }));
    listen<{ id: string }>(opened, "scene_deleted", ({ id }) => dispatch({ type: "scene_deleted", ids: [id] }));
    listen<Project>(opened, "project", (project) => dispatch({ type: "project", project }));
    listen(opened, "project_deleted", () => dispatch({ type: "project_deleted" }));
    opened.onerror = () => {
      close();
      dispatch({ type: "connection", connection: "offline" });
      void explain();
      timer = window.setTimeout(open, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
  };

  /** An EventSource does not say why it failed; the project itself does. */
  const explain = async () => {
    try {
      await ask(client.GET("/api/v1/projects/{project_id}", { params: { path: { project_id: projectId } } }));
    } catch (error) {
      const isFinal = error instanceof ApiError && [401, 403, 404, 422].includes(error.status);
      if (!ended && isFinal) onFailure(error);
    }
  };

  /** Whatever was open before a sleep or a change of network may be dead without knowing it; what still works, as this
   * machine's own server does without any network, is back at once. */
  const openAnew = () => {
    wait = FIRST_WAIT_MS;
    open();
  };
  let awakeAt = Date.now();
  const pulse = window.setInterval(() => {
    const slept = Date.now() - awakeAt > ASLEEP_MS;
    awakeAt = Date.now();
    if (slept && document.visibilityState === "visible") openAnew();
  }, PULSE_MS);
  let hiddenAt = 0;
  const onVisibility = () => {
    window.clearTimeout(hiddenTimer);
    if (document.visibilityState === "visible") {
      if (source === null || Date.now() - hiddenAt > ASLEEP_MS) openAnew();
    } else {
      hiddenAt = Date.now();
      hiddenTimer = window.setTimeout(close, HIDDEN_MS);
    }
  };
  open();
  document.addEventListener("visibilitychange", onVisibility);
  window.addEventListener("online", openAnew);
  window.addEventListener("offline", openAnew);
  return () => {
    ended = true;
    close();
    window.clearTimeout(hiddenTimer);
    window.clearInterval(pulse);
    document.removeEventListener("visibilitychange", onVisibility);
    window.removeEventListener("online", openAnew);
    window.removeEventListener("offline", openAnew);
  };
}

/** Names that are not listened to, of a later server, pass unnoticed; so does what cannot be read. */
function listen<Data>(source: EventSource, name: string, take: (data: Data) => void): void {
  source.addEventListener(name, (event) => {
    let data: Data;
    try {
      data = JSON.parse(event.data);
    } catch {
      return;
    }
    take(data);
  });
}
