import { Ban, CheckCircle2, CircleAlert, CircleDashed, Clock, Loader2, type LucideIcon, Timer } from "lucide-react";
import { cx } from "@/components/cx";
import { ProgressBar } from "@/components/ProgressBar";
import type { Media, Scene } from "@/lib/api";
import { secondsUntil } from "@/lib/clock";
import { formatTimeLeft } from "@/lib/format";
import { type Group, groupOf, progressInWords, stateInWords, titleOf } from "@/lib/media";
import { useEverySecond } from "@/lib/use-now";

const LOOKS: Record<Group, { icon: LucideIcon; ink: string }> = {
  none: { icon: CircleDashed, ink: "text-muted" },
  waiting: { icon: Clock, ink: "text-muted" },
  active: { icon: Loader2, ink: "text-accent" },
  stored: { icon: CheckCircle2, ink: "text-ok" },
  failed: { icon: CircleAlert, ink: "text-bad" },
  canceled: { icon: Ban, ink: "text-muted" },
};

/** Where a scene stands, in words and with a sign; while it is on its way with its bar. */
export function SceneState({ scene }: { scene: Scene }) {
  const media = scene.media;
  const group = groupOf(scene);
  if (group === "active" && media) return <Arriving media={media} title={titleOf(scene)} />;
  if (media?.status === "retrying") return <Retrying media={media} />;
  return (
    <div>
      <StateLine group={group} text={stateInWords(media)} />
      {group === "waiting" && <WhyNotYet media={media} />}
    </div>
  );
}

/** Why the last attempt failed, or why the scene was put off. */
function WhyNotYet({ media }: { media: Media | null }) {
  return media?.error ? <p className="text-muted text-sm leading-5">{media.error.message}</p> : null;
}

export function StateLine({ group, text, icon }: { group: Group; text: string; icon?: LucideIcon }) {
  const look = LOOKS[group];
  const Icon = icon ?? look.icon;
  return (
    <p className={cx("flex shrink-0 items-center gap-1.5 font-medium text-sm leading-5", look.ink)}>
      <Icon
        aria-hidden
        className={cx("size-4 shrink-0", group === "active" && "animate-spin [animation-duration:2s]")}
      />
      {text}
    </p>
  );
}

function Arriving({ media, title }: { media: Media; title: string }) {
  const { percent, bytes, pace, left } = progressInWords(media);
  const state = stateInWords(media);
  const words = [state, bytes, pace, left].filter(Boolean).join(", ");
  return (
    <div>
      <div className="flex min-h-10 flex-wrap items-center gap-x-3 sm:min-h-5 sm:flex-nowrap">
        <StateLine group="active" text={state} />
        <p className="order-last flex w-full gap-x-3 truncate text-muted text-xs leading-5 tabular-nums sm:order-none sm:w-auto sm:flex-1">
          <span>{bytes}</span>
          <span className={pace === "stalled" ? "font-medium text-warn" : ""}>{pace}</span>
          <span>{left}</span>
        </p>
        <span className="ml-auto text-muted text-sm leading-5 tabular-nums">
          {percent === null ? "" : `${Math.floor(percent)} %`}
        </span>
      </div>
      <div className="mt-2">
        <ProgressBar label={`Progress of ${title}`} percent={percent} inWords={words} />
      </div>
    </div>
  );
}

function Retrying({ media }: { media: Media }) {
  useEverySecond();
  const seconds = media.next_attempt_at ? secondsUntil(media.next_attempt_at) : 0;
  const when = seconds > 0 ? `Next try in ${formatTimeLeft(seconds)}` : "Next try any moment";
  return (
    <div>
      <StateLine group="waiting" icon={Timer} text={`${when} (${media.attempt} of ${media.max_attempts} made)`} />
      <WhyNotYet media={media} />
    </div>
  );
}
