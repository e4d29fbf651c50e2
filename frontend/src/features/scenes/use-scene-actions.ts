/** What a person does to scenes: seen at once, taken back where the server refuses. */
import { type Dispatch, useMemo } from "react";
import { addLinks } from "@/lib/add-links";
import { ask, client, type Scene } from "@/lib/api";
import { plural } from "@/lib/format";
import type { Rejected } from "@/lib/links";
import { inPool } from "@/lib/pool";
import { requestStorage } from "@/lib/storage-trigger";
import type { ProjectAction } from "./project-reducer";
import { type Notices, nextKey, type Undoable } from "./use-notices";

export interface SceneActions {
  /** Add a scene for each link and ask for its storage; what the server refused, and whether all got through. */
  add: (links: readonly string[]) => Promise<{ rejected: Rejected[]; missed: string[] }>;
  remove: (ids: readonly string[]) => Promise<void>;
  undo: (undoable: Undoable) => Promise<void>;
  move: (id: string, after: string | null) => Promise<void>;
  retry: (ids: readonly string[]) => Promise<void>;
  cancel: (ids: readonly string[]) => Promise<void>;
  retryFailed: () => Promise<void>;
  /** Change text or link where nobody else has since `version`. Throws an `ApiError`: the editor shows it. */
  edit: (scene: Scene, change: { text?: string; source_url?: string }, version: number) => Promise<Scene>;
  read: (id: string) => Promise<Scene>;
}

const sceneAt = (id: string) => ({ params: { path: { scene_id: id } } });

export function useSceneActions(
  projectId: string,
  dispatch: Dispatch<ProjectAction>,
  { tell, offerUndo, endUndo }: Notices,
): SceneActions {
  return useMemo(() => {
    const took = (scene: Scene, from: "answer" | "restored" = "answer") =>
      dispatch({ type: "scenes", scenes: [scene], from });

    /** Do the same to many; one notice for all that failed, and those ids. */
    const each = async (ids: readonly string[], what: string, work: (id: string) => Promise<unknown>) => {
      const failed: string[] = [];
      let reason: unknown;
      await inPool(ids, async (id) => {
        try {
          await work(id);
        } catch (error) {
          reason = error;
          failed.push(id);
        }
      });
      if (failed.length > 0) tell(`${plural(failed.length, "scene")} could not be ${what}.`, reason);
      return failed;
    };

    const read = async (id: string) => {
      const scene = await ask(client.GET("/api/v1/scenes/{scene_id}", sceneAt(id)));
      took(scene);
      return scene;
    };

    let moves: Promise<unknown> = Promise.resolve();

    return {
      read,
      add: async (links) => {
        const adding = links.map((link) => ({ key: `adding-${nextKey()}`, link }));
        dispatch({ type: "adding", scenes: adding });
        let arrived = 0;
        try {
          const rejected = await addLinks(projectId, links, (scenes) => {
            arrived += scenes.length;
            dispatch({ type: "scenes", scenes, from: "answer" });
            void requestStorage(scenes);
          });
          return { rejected, missed: [] };
        } catch (error) {
          const missed = links.slice(arrived);
          tell(`${plural(missed.length, "link")} could not be added.`, error);
          return { rejected: [], missed };
        } finally {
          dispatch({ type: "adding_ended", keys: adding.map(({ key }) => key) });
        }
      },
      remove: async (ids) => {
        dispatch({ type: "removing", ids });
        let until = "";
        const failed = await each(ids, "removed", async (id) => {
          const deletion = await ask(client.DELETE("/api/v1/scenes/{scene_id}", sceneAt(id)));
          until = deletion.restorable_until;
        });
        dispatch({ type: "removing_failed", ids: failed });
        const removed = ids.filter((id) => !failed.includes(id));
        if (removed.length === 0) return;
        dispatch({ type: "scene_deleted", ids: removed });
        offerUndo(removed, until);
      },
      undo: async ({ key, ids }) => {
        endUndo(key);
        await each(ids, "restored", async (id) => {
          took(await ask(client.POST("/api/v1/scenes/{scene_id}/restore", sceneAt(id))), "restored");
        });
      },
      move: async (id, after) => {
        const key = nextKey();
        dispatch({ type: "moving", move: { key, id, after } });
        // One after the other: each move is told relative to where the one before it has put the scenes.
        const moved = moves.then(async () => {
          took(await ask(client.PATCH("/api/v1/scenes/{scene_id}", { ...sceneAt(id), body: { after } })));
        });
        moves = moved.catch(() => undefined);
        try {
          await moved;
        } catch (error) {
          tell("The scene could not be moved.", error);
        } finally {
          dispatch({ type: "moving_ended", key });
        }
      },
      retry: async (ids) => {
        await each(ids, "tried again", async (id) => {
          await ask(client.POST("/api/v1/media/{scene_id}/retry", sceneAt(id)));
          await read(id);
        });
      },
      cancel: async (ids) => {
        await each(ids, "canceled", async (id) => {
          await ask(client.POST("/api/v1/media/{scene_id}/cancel", sceneAt(id)));
          await read(id);
        });
      },
      retryFailed: async () => {
        try {
          await ask(
            client.POST("/api/v1/projects/{project_id}/media/retry", {
              params: { path: { project_id: projectId } },
              body: {},
            }),
          );
        } catch (error) {
          tell("What failed could not be tried again.", error);
        }
      },
      edit: async (scene, change, version) => {
        const edited = await ask(
          client.PATCH("/api/v1/scenes/{scene_id}", {
            params: { path: { scene_id: scene.id }, header: { "if-match": `"${version}"` } },
            body: change,
          }),
        );
        took(edited);
        void requestStorage([edited]);
        return edited;
      },
    };
  }, [projectId, dispatch, tell, offerUndo, endUndo]);
}
