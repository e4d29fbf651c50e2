import { plural } from "@/lib/format";
import { Notice } from "./Notice";
import type { Report } from "./use-link-intake";

function titleOf({ added, duplicates, rejected }: Report): string {
  const parts = [
    added > 0 ? `${plural(added, "scene")} added.` : "",
    duplicates > 0 ? `${plural(duplicates, "link was", "links were")} there before, and marked.` : "",
    rejected.length > 0 ? `${plural(rejected.length, "line")} could not be used, and stayed in the box:` : "",
  ];
  return parts.filter(Boolean).join(" ");
}

/** What became of the lines of a paste, where not all of it was plain. */
export function LinkReport({ report, onDismiss }: { report: Report | null; onDismiss: () => void }) {
  if (!report) return null;
  return (
    <div className="mt-3">
      <Notice
        tone={report.rejected.length > 0 ? "warn" : "info"}
        role="status"
        title={titleOf(report)}
        onDismiss={onDismiss}
      >
        {report.rejected.length > 0 && (
          <ul
            className="mt-2 max-h-48 space-y-1 overflow-y-auto"
            tabIndex={0}
            aria-label="Lines that could not be used"
          >
            {report.rejected.map(({ line, reason }, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: equal lines may be there twice, and none ever moves
              <li key={index} className="flex flex-wrap gap-x-3">
                <bdi className="max-w-full truncate font-mono text-ink text-xs leading-5">{line}</bdi>
                <span>{reason}</span>
              </li>
            ))}
          </ul>
        )}
      </Notice>
    </div>
  );
}
