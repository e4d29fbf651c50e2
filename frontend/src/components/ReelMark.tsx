import { cx } from "./cx";

/** The take-up reel. */
export function ReelMark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" className={cx("size-7", className)} fill="none">
      <circle cx="16" cy="16" r="14" stroke="currentColor" strokeWidth="2" />
      <g fill="currentColor">
        <circle cx="16" cy="16" r="2.2" />
        <circle cx="16" cy="8" r="3.2" />
        <circle cx="16" cy="24" r="3.2" />
        <circle cx="8" cy="16" r="3.2" />
        <circle cx="24" cy="16" r="3.2" />
      </g>
    </svg>
  );
}
