/** What the whole service does, looked at every two seconds while the page is open. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ask, client, type Monitor } from "@/lib/api";
import { inPool } from "@/lib/pool";
import { listProjects } from "@/lib/projects";

const LOOK_MS = 2000;
const SPAN_MS = 5 * 60_000;

export function useMonitor() {
  return useQuery({
    queryKey: ["monitor"],
    queryFn: () => ask(client.GET("/api/v1/monitor")),
    refetchInterval: LOOK_MS,
  });
}

export interface Sample {
  at: number;
  stored: number;
}

/** Since the page was opened, five minutes at most: the server keeps no history. */
export function useStoredSamples(monitor: Monitor | undefined, readAt: number): readonly Sample[] {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const stored = monitor?.scenes.ready ?? null;
  useEffect(() => {
    if (stored === null || readAt === 0) return;
    setSamples((now) => [...now.filter(({ at }) => at < readAt && readAt - at < SPAN_MS), { at: readAt, stored }]);
  }, [stored, readAt]);
  return samples;
}

/** Scenes stored per minute between two samples each; a deletion counts as nothing. */
export function ratesOf(samples: readonly Sample[]): number[] {
  return samples.slice(1).map((sample, index) => {
    const before = samples[index] ?? sample;
    const minutes = Math.max(sample.at - before.at, 1) / 60_000;
    return Math.max(0, sample.stored - before.stored) / minutes;
  });
}

/** Try everything again that failed with this code, in every project; how many scenes were queued. */
export async function retryCode(code: string): Promise<number> {
  let queued = 0;
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listProjects>> = await listProjects(cursor, 100);
    await inPool(page.items, async ({ id }) => {
      const result = await ask(
        client.POST("/api/v1/projects/{project_id}/media/retry", {
          params: { path: { project_id: id } },
          body: { codes: [code] },
        }),
      );
      queued += result.queued;
    });
    cursor = page.next_cursor;
  } while (cursor !== null);
  return queued;
}
