import { Cpu } from "lucide-react";

export function Workers({ workers }: { workers: readonly string[] | null }) {
  return (
    <section aria-labelledby="workers">
      <h2 id="workers" className="mb-3 font-semibold tracking-tight">
        Workers online <span className="font-normal text-muted text-sm">{workers?.length ?? "unknown"}</span>
      </h2>
      {workers && workers.length > 0 ? (
        <ul className="divide-y divide-line rounded-2xl border border-line bg-surface">
          {workers.map((worker) => (
            <li key={worker} className="flex items-center gap-3 px-4 py-3 text-sm">
              <Cpu aria-hidden className="size-4 shrink-0 text-ok" />
              <span className="min-w-0 truncate">{worker}</span>
            </li>
          ))}
        </ul>
      ) : (
        <p className="text-muted text-sm">{workers ? "None." : "The broker would have to tell, and is silent."}</p>
      )}
    </section>
  );
}
