import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { CheckCircle2, CircleAlert, type LucideIcon, RotateCcw, Skull } from "lucide-react";
import { cx } from "@/components/cx";
import { type Attempt, ask, client, type Media, type Scene } from "@/lib/api";
import { formatBytes, formatClockTime, formatTimeLeft } from "@/lib/format";

const OUTCOMES: Record<Attempt["outcome"], { icon: LucideIcon; look: string; text: string }> = {
  ready: { icon: CheckCircle2, look: "text-ok", text: "Stored" },
  retrying: { icon: RotateCcw, look: "text-warn", text: "Failed, to be tried again" },
  failed: { icon: CircleAlert, look: "text-bad", text: "Failed" },
  crashed: { icon: Skull, look: "text-bad", text: "The worker died" },
};

/** What became of each attempt; asked for again whenever the scene's state changes. */
export function AttemptTimeline({ scene, media }: { scene: Scene; media: Media }) {
  const { data } = useQuery({
    queryKey: ["attempts", scene.id, media.generation, media.attempt, media.status],
    queryFn: () => ask(client.GET("/api/v1/media/{scene_id}/attempts", { params: { path: { scene_id: scene.id } } })),
    placeholderData: keepPreviousData,
  });
  const attempts = data?.items ?? media.attempts ?? [];
  return (
    <section aria-labelledby="attempts">
      <h2 id="attempts" className="mb-3 font-semibold tracking-tight">
        Attempts{" "}
        <span className="font-normal text-muted text-sm">
          {media.attempt} of {media.max_attempts}
        </span>
      </h2>
      {attempts.length === 0 && <p className="text-muted text-sm">None has ended yet.</p>}
      <ol className="grid gap-4 border-line border-l pl-5">
        {attempts.map((attempt) => (
          <AttemptLine key={attempt.n} attempt={attempt} />
        ))}
      </ol>
    </section>
  );
}

function AttemptLine({ attempt }: { attempt: Attempt }) {
  const { icon: Icon, look, text } = OUTCOMES[attempt.outcome];
  const seconds = (Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000;
  return (
    <li className="relative text-sm">
      <Icon aria-hidden className={cx("-left-7 absolute top-0.5 size-4 bg-canvas", look)} />
      <p className="font-medium">
        {attempt.n}. {text}
        {attempt.code && <code className="ml-2 font-mono font-normal text-muted text-xs">{attempt.code}</code>}
      </p>
      <p className="text-muted text-xs leading-5 tabular-nums">
        {formatClockTime(attempt.started_at)}, {formatTimeLeft(seconds)}
        {attempt.bytes > 0 && `, ${formatBytes(attempt.bytes)}`}
        {attempt.resumed_bytes > 0 && `, ${formatBytes(attempt.resumed_bytes)} kept from before`}
      </p>
      <p className="truncate text-muted text-xs">{attempt.worker}</p>
    </li>
  );
}
