import { Loader2 } from "lucide-react";
import { hostOf, nameOf } from "@/lib/links";
import type { PendingScene } from "./project-reducer";

const SHOWN = 20;

/** Links that were pasted a moment ago: they stand where their scenes will be. */
export function AddingScenes({ adding }: { adding: readonly PendingScene[] }) {
  if (adding.length === 0) return null;
  return (
    <ul aria-label="Being added" className="mt-3 grid gap-3">
      {adding.slice(0, SHOWN).map(({ key, link }) => (
        <li key={key} className="flex items-center gap-4 rounded-2xl border border-line border-dashed p-4 text-sm">
          <Loader2 aria-hidden className="size-4 shrink-0 animate-spin text-muted" />
          <bdi className="min-w-0 truncate font-medium">{nameOf(link)}</bdi>
          <span className="shrink-0 text-muted text-xs">{hostOf(link)}</span>
        </li>
      ))}
      {adding.length > SHOWN && <li className="px-4 text-muted text-sm">and {adding.length - SHOWN} more</li>}
    </ul>
  );
}
