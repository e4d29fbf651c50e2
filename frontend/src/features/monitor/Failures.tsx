import { useMutation, useQueryClient } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { Button } from "@/components/Button";
import { inWords } from "@/lib/api";
import { plural } from "@/lib/format";
import { retryCode } from "./use-monitor";

export function Failures({ failures }: { failures: Record<string, number> }) {
  const codes = Object.entries(failures).sort(([, a], [, b]) => b - a);
  return (
    <section aria-labelledby="failures">
      <h2 id="failures" className="mb-3 font-semibold tracking-tight">
        Failures by code
      </h2>
      {codes.length === 0 && <p className="text-muted text-sm">Nothing has failed.</p>}
      <ul className="divide-y divide-line rounded-2xl border border-line bg-surface empty:hidden">
        {codes.map(([code, count]) => (
          <FailureLine key={code} code={code} count={count} />
        ))}
      </ul>
    </section>
  );
}

function FailureLine({ code, count }: { code: string; count: number }) {
  const queries = useQueryClient();
  const retry = useMutation({
    mutationFn: () => retryCode(code),
    onSettled: () => queries.invalidateQueries({ queryKey: ["monitor"] }),
  });
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2 pr-2 pl-4 text-sm">
      <code className="min-w-0 flex-1 truncate font-mono max-sm:basis-full">{code}</code>
      <span className="text-muted tabular-nums max-sm:flex-1">{plural(count, "scene")}</span>
      <Button
        look="quiet"
        icon={RotateCcw}
        disabled={retry.isPending}
        aria-label={`Retry these: ${code}`}
        onClick={() => retry.mutate()}
      >
        Retry these
      </Button>
      <p role="status" className="w-full text-muted text-xs empty:hidden">
        {retry.isSuccess ? `${plural(retry.data, "scene")} queued again.` : ""}
        {retry.error ? inWords(retry.error).message : ""}
      </p>
    </li>
  );
}
