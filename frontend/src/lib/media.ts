/** A scene's media in words and groups. */
import type { Media, Scene, Status } from "./api";
import { formatBytes, formatBytesOf, formatSpeed, formatTimeLeft } from "./format";
import { nameOf } from "./links";

export type Group = "waiting" | "active" | "stored" | "failed" | "canceled" | "none";

const GROUP_OF: Record<Status, Group> = {
  pending: "waiting",
  queued: "waiting",
  retrying: "waiting",
  resolving: "active",
  downloading: "active",
  uploading: "active",
  processing: "active",
  ready: "stored",
  failed: "failed",
  canceled: "canceled",
};

const IN_WORDS: Record<Status, string> = {
  pending: "About to be stored",
  queued: "Waiting for a worker",
  resolving: "Finding the media",
  downloading: "Downloading",
  uploading: "Storing",
  processing: "Checking and making a poster",
  ready: "Stored",
  retrying: "Waiting for its next try",
  failed: "Failed",
  canceled: "Canceled",
};

export function groupOf(scene: Scene): Group {
  return scene.media ? GROUP_OF[scene.media.status] : "none";
}

/** How many there are of each group, from how many there are in each state. */
export function countGroups(byStatus: Partial<Record<Status, number>>): Record<Group, number> {
  const counts: Record<Group, number> = { waiting: 0, active: 0, stored: 0, failed: 0, canceled: 0, none: 0 };
  for (const [status, count] of Object.entries(byStatus)) counts[GROUP_OF[status as Status]] += count;
  return counts;
}

export function stateInWords(media: Media | null): string {
  return media ? statusInWords(media.status) : "No link";
}

export function statusInWords(status: Status): string {
  return IN_WORDS[status];
}

export function isInFlight(scene: Scene): boolean {
  const group = groupOf(scene);
  return group === "active" || (group === "waiting" && scene.media?.status !== "pending");
}

/** What may be asked for, as the API would take it. */
export function canRetry(scene: Scene): boolean {
  return ["failed", "canceled", "retrying"].includes(scene.media?.status ?? "");
}

export function titleOf(scene: Scene): string {
  if (scene.media?.original) return scene.media.original.filename;
  if (scene.media?.source_url) return nameOf(scene.media.source_url);
  return "Scene without a link";
}

export interface ProgressInWords {
  /** Null while it cannot be known. */
  percent: number | null;
  bytes: string;
  /** Speed, or "stalled". */
  pace: string;
  left: string;
}

/** One bar over download, store and processing: the server's percent is of all three. */
export function progressInWords(media: Media): ProgressInWords {
  const progress = media.progress;
  if (media.status === "processing") return { percent: progress?.percent ?? 98, bytes: "", pace: "", left: "" };
  if (!progress) return { percent: null, bytes: "", pace: "", left: "" };
  const total = progress.bytes_total ?? null;
  const started = progress.bytes_done > 0;
  return {
    percent: progress.percent ?? null,
    bytes:
      total !== null
        ? `${formatBytesOf(progress.bytes_done, total)} fetched`
        : started
          ? `${formatBytes(progress.bytes_done)} of unknown`
          : "",
    pace: progress.stalled ? "stalled" : started ? formatSpeed(progress.speed_bps) : "",
    left: !progress.stalled && progress.eta_s != null ? `${formatTimeLeft(progress.eta_s)} left` : "",
  };
}
