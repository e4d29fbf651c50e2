import { RotateCcw } from "lucide-react";
import { Button } from "@/components/Button";
import { ProgressBar } from "@/components/ProgressBar";
import { plural } from "@/lib/format";
import { bytesInWords, type Totals } from "@/lib/totals";

interface OverallProgressProps {
  totals: Totals;
  /** Links that were pasted and are not scenes yet. */
  adding: number;
  onRetryFailed: () => void;
}

/** "12 of 200 stored", for the whole project. */
export function OverallProgress({ totals, adding, onRetryFailed }: OverallProgressProps) {
  const { counts } = totals;
  const total = totals.withLink + adding;
  const percent = total === 0 ? 0 : (counts.stored / total) * 100;
  const isDone = total > 0 && counts.stored === total;
  const count = `${counts.stored} of ${total} stored`;
  return (
    <section aria-label="Progress of all scenes">
      <div className="mb-2.5 flex min-h-9 flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <p className="flex flex-wrap items-baseline gap-x-3 tabular-nums">
          <span className="font-semibold text-lg tracking-tight">{count}</span>
          <span className="text-muted text-sm">{bytesInWords(totals)}</span>
        </p>
        {counts.failed > 0 && (
          <Button icon={RotateCcw} onClick={onRetryFailed}>
            {counts.failed === 1 ? "Retry the failed one" : `Retry all ${plural(counts.failed, "failure")}`}
          </Button>
        )}
      </div>
      <ProgressBar label="All scenes" percent={percent} inWords={count} tone={isDone ? "ok" : "accent"} size="thick" />
    </section>
  );
}
