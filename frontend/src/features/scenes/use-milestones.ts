/** Says what has happened, not every tick of it: stored scenes together, at most once in a while; failures as alerts. */
import { useEffect, useRef } from "react";
import { useAnnounce } from "@/components/Announcer";
import type { Scene, Status } from "@/lib/api";
import { plural } from "@/lib/format";
import { titleOf } from "@/lib/media";

const TOGETHER_MS = 2000;

interface News {
  stored: Scene[];
  failed: Scene[];
}

/** What became of scenes that were seen in another state before. */
export function newsOf(before: ReadonlyMap<string, Status>, scenes: readonly Scene[]): News {
  const changed = scenes.filter((scene) => {
    const known = before.get(scene.id);
    return known !== undefined && known !== scene.media?.status;
  });
  return {
    stored: changed.filter((scene) => scene.media?.status === "ready"),
    failed: changed.filter((scene) => scene.media?.status === "failed"),
  };
}

export function useMilestones(scenes: readonly Scene[]): void {
  const { milestone, failure } = useAnnounce();
  const before = useRef<ReadonlyMap<string, Status>>(new Map());
  const news = useRef<News>({ stored: [], failed: [] });
  const timer = useRef<number | undefined>(undefined);
  const latest = useRef(scenes);
  latest.current = scenes;

  useEffect(() => {
    const { stored, failed } = newsOf(before.current, scenes);
    before.current = new Map(scenes.flatMap((scene) => (scene.media ? [[scene.id, scene.media.status]] : [])));
    if (stored.length + failed.length === 0) return;
    news.current.stored.push(...stored);
    news.current.failed.push(...failed);
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined;
      const gathered = news.current;
      news.current = { stored: [], failed: [] };
      if (gathered.stored.length > 0) milestone(storedInWords(gathered.stored, latest.current));
      if (gathered.failed.length > 0) failure(failedInWords(gathered.failed));
    }, TOGETHER_MS);
  }, [scenes, milestone, failure]);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );
}

function storedInWords(stored: readonly Scene[], all: readonly Scene[]): string {
  const [only] = stored;
  const what = stored.length === 1 && only ? `${titleOf(only)} is stored` : `${stored.length} more scenes are stored`;
  const count = all.filter((scene) => scene.media?.status === "ready").length;
  const total = all.filter((scene) => scene.media).length;
  return count === total ? `${what}. All ${total} are stored.` : `${what}. ${count} of ${total}.`;
}

function failedInWords(failed: readonly Scene[]): string {
  const [only] = failed;
  if (failed.length > 1 || !only) return `${plural(failed.length, "scene")} failed`;
  return `${titleOf(only)} failed. ${only.media?.error?.message ?? ""}`;
}
