/** The reconciliation that makes the storage trigger certain: whatever is `pending` is asked for, whoever added it. */
import { useEffect, useRef } from "react";
import { needsStorage, requestStorage } from "@/lib/storage-trigger";
import type { ProjectState } from "./project-reducer";

/** Time for the tab that added a scene to ask for it itself. */
const GRACE_MS = 1500;
const LOOK_MS = 500;

export function useStorageTrigger(currentProject: ProjectState["currentProject"]): void {
  const scenes = currentProject?.scenes;
  const latest = useRef(scenes);
  latest.current = scenes;
  const hasPending = [...(scenes?.values() ?? [])].some(needsStorage);
  useEffect(() => {
    if (!hasPending) return;
    const since = new Map<string, number>();
    const look = () => {
      const pending = [...(latest.current?.values() ?? [])].filter(needsStorage);
      const now = Date.now();
      for (const scene of pending) if (!since.has(scene.id)) since.set(scene.id, now);
      void requestStorage(pending.filter((scene) => now - (since.get(scene.id) ?? now) >= GRACE_MS));
    };
    look();
    const timer = window.setInterval(look, LOOK_MS);
    return () => window.clearInterval(timer);
  }, [hasPending]);
}
