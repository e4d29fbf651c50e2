/** The tabs of the editor: which scenes each shows. */
import type { Scene } from "@/lib/api";
import { type Group, groupOf } from "@/lib/media";
import type { Totals } from "@/lib/totals";

export const VIEWS = ["all", "waiting", "active", "stored", "failed", "canceled"] as const;
export type View = (typeof VIEWS)[number];

export const VIEW_TITLES: Record<View, string> = {
  all: "All",
  waiting: "Waiting",
  active: "Arriving",
  stored: "Stored",
  failed: "Failed",
  canceled: "Canceled",
};

export function viewOf(value: unknown): View {
  return VIEWS.find((view) => view === value) ?? "all";
}

export function scenesIn(view: View, scenes: readonly Scene[]): readonly Scene[] {
  return view === "all" ? scenes : scenes.filter((scene) => groupOf(scene) === (view satisfies Group));
}

export function countIn(view: View, totals: Totals, all: number): number {
  return view === "all" ? all : totals.counts[view];
}

/** For each scene whose link an earlier one has too, that one's number. */
export function duplicatesOf(scenes: readonly Scene[]): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  const duplicates = new Map<string, number>();
  scenes.forEach((scene, index) => {
    const link = scene.media?.source_url;
    if (!link) return;
    const earlier = first.get(link);
    if (earlier === undefined) first.set(link, index + 1);
    else duplicates.set(scene.id, earlier);
  });
  return duplicates;
}
