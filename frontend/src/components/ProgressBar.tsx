import { cx } from "./cx";

interface ProgressBarProps {
  /** Names the bar for those who cannot see it. */
  label: string;
  /** 0 to 100, null while it cannot be known. */
  percent: number | null;
  /** The state as a sentence, read instead of the number. */
  inWords?: string;
  tone?: "accent" | "ok" | "muted";
  size?: "thin" | "thick";
}

const TONES = { accent: "bg-accent", ok: "bg-ok", muted: "bg-line-strong" };

export function ProgressBar({ label, percent, inWords, tone = "accent", size = "thin" }: ProgressBarProps) {
  const known = percent === null ? {} : { "aria-valuenow": Math.round(percent) };
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuetext={inWords}
      {...known}
      className={cx("w-full overflow-hidden rounded-full bg-sunken", size === "thin" ? "h-1.5" : "h-2.5")}
    >
      <div
        className={cx(
          "h-full rounded-full",
          TONES[tone],
          percent === null ? "bar-unknown w-1/4" : "origin-left transition-[width] duration-500 ease-out",
        )}
        style={percent === null ? undefined : { width: `${percent}%` }}
      />
    </div>
  );
}
