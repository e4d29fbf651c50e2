import { Link } from "@tanstack/react-router";
import { Cpu } from "lucide-react";
import { cx } from "@/components/cx";
import { ProgressBar } from "@/components/ProgressBar";
import type { Monitor } from "@/lib/api";
import { serverNow } from "@/lib/clock";
import { formatTimeLeft } from "@/lib/format";
import { nameOf } from "@/lib/links";
import { statusInWords } from "@/lib/media";
import { useEverySecond } from "@/lib/use-now";
import { type WorkerView, workersOf } from "./use-monitor";

/** Who answers, and what each is at. */
export function Workers({ monitor }: { monitor: Monitor }) {
  const { workers, work } = monitor;
  const views = workersOf(workers ?? [], work);
  return (
    <section aria-labelledby="workers">
      <h2 id="workers" className="mb-3 font-semibold tracking-tight">
        Workers online <span className="font-normal text-muted text-sm">{workers?.length ?? "unknown"}</span>
      </h2>
      {views.length > 0 ? (
        <ul className="divide-y divide-line rounded-2xl border border-line bg-surface">
          {views.map((view) => (
            <WorkerLine key={view.name} view={view} />
          ))}
        </ul>
      ) : (
        <p className="text-muted text-sm">{workers ? "None." : "The broker would have to tell, and is silent."}</p>
      )}
    </section>
  );
}

function WorkerLine({ view: { name, work, isOnline } }: { view: WorkerView }) {
  return (
    <li className="px-4 py-3 text-sm">
      <div className="flex items-center gap-3">
        <Cpu aria-hidden className={cx("size-4 shrink-0", isOnline ? "text-ok" : "text-muted")} />
        <span className="min-w-0 flex-1 truncate">{name}</span>
        <span className="shrink-0 text-muted">{isOnline ? (work.length === 0 ? "idle" : "") : "does not answer"}</span>
      </div>
      {work.length > 0 && (
        <ul className="mt-2.5 grid gap-3 pl-7">
          {work.map((item) => (
            <WorkLine key={item.scene_id} item={item} />
          ))}
        </ul>
      )}
    </li>
  );
}

function WorkLine({ item }: { item: WorkerView["work"][number] }) {
  useEverySecond();
  const name = item.text || nameOf(item.source_url);
  const state = statusInWords(item.status);
  const percent = item.progress.percent ?? null;
  const seconds = Math.max(0, (serverNow() - Date.parse(item.started_at)) / 1000);
  return (
    <li>
      <p className="flex items-baseline gap-3">
        <Link
          to="/projects/$projectId/scenes/$sceneId"
          params={{ projectId: item.project_id, sceneId: item.scene_id }}
          className="min-w-0 flex-1 truncate font-medium hover:underline"
        >
          <bdi>{name}</bdi>
        </Link>
        <span className="shrink-0 text-muted tabular-nums">{percent === null ? "" : `${Math.floor(percent)} %`}</span>
      </p>
      <p className="mb-1.5 text-muted text-xs tabular-nums">
        {state}
        {item.progress.stalled ? ", stalled" : ""}, for {formatTimeLeft(seconds)}
      </p>
      <ProgressBar label={`Progress of ${name}`} percent={percent} />
    </li>
  );
}
