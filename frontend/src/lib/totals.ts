/** What a project's scenes come to: counts by state, bytes, and the time that is left. */
import type { Scene } from "./api";
import { formatBytes, formatBytesOf, formatTimeLeft } from "./format";
import { type Group, groupOf } from "./media";

export interface Totals {
  counts: Record<Group, number>;
  /** Scenes that have a link. */
  withLink: number;
  bytesDone: number;
  /** Null where nothing is known to extrapolate from. */
  bytesTotal: number | null;
  /** Some lengths are extrapolated from those that are known. */
  isEstimate: boolean;
  secondsLeft: number | null;
}

export function totalsOf(scenes: readonly Scene[]): Totals {
  const counts: Totals["counts"] = { waiting: 0, active: 0, stored: 0, failed: 0, canceled: 0, none: 0 };
  let bytesDone = 0;
  let speed = 0;
  let knownBytes = 0;
  let knownCount = 0;
  let unknownCount = 0;
  for (const scene of scenes) {
    const group = groupOf(scene);
    counts[group] += 1;
    const progress = scene.media?.progress;
    const isWanted = group === "waiting" || group === "active" || group === "stored";
    if (!isWanted) continue;
    const total = scene.media?.original?.bytes ?? progress?.bytes_total ?? null;
    bytesDone += scene.media?.original?.bytes ?? (group === "active" ? (progress?.bytes_done ?? 0) : 0);
    if (group === "active" && !progress?.stalled) speed += progress?.speed_bps ?? 0;
    if (total === null) unknownCount += 1;
    else {
      knownBytes += total;
      knownCount += 1;
    }
  }
  const bytesTotal = knownCount > 0 ? knownBytes + unknownCount * (knownBytes / knownCount) : null;
  const left = bytesTotal === null ? 0 : bytesTotal - bytesDone;
  return {
    counts,
    withLink: scenes.length - counts.none,
    bytesDone,
    bytesTotal,
    isEstimate: unknownCount > 0,
    secondsLeft: left > 0 && speed > 1 ? left / speed : null,
  };
}

/** "41 of 210 MB, 2 min left". */
export function bytesInWords({ bytesDone, bytesTotal, isEstimate, secondsLeft }: Totals): string {
  const of =
    bytesTotal === null || bytesTotal <= bytesDone
      ? formatBytes(bytesDone)
      : isEstimate
        ? formatBytesOf(bytesDone, bytesTotal).replace(" of ", " of about ")
        : formatBytesOf(bytesDone, bytesTotal);
  if (bytesDone === 0 && bytesTotal === null) return "";
  return secondsLeft === null ? of : `${of}, ${isEstimate ? "about " : ""}${formatTimeLeft(secondsLeft)} left`;
}
