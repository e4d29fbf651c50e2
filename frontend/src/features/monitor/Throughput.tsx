import type { Monitor } from "@/lib/api";
import { plural } from "@/lib/format";
import { ratesOf } from "./use-monitor";

const WIDTH = 600;
const HEIGHT = 72;

/** Scenes stored per minute as a line, over the last five minutes. */
export function Throughput({ throughput }: { throughput: Monitor["throughput"] }) {
  // The slot that is still growing would pull the line down at its end.
  const rates = ratesOf({ ...throughput, stored: throughput.stored.slice(0, -1) });
  const highest = Math.max(1, ...rates);
  const points = rates.map((rate, index) => {
    const x = (WIDTH * index) / Math.max(1, rates.length - 1);
    return `${x.toFixed(1)},${(HEIGHT - 2 - (rate / highest) * (HEIGHT - 6)).toFixed(1)}`;
  });
  const total = throughput.stored.reduce((sum, count) => sum + count, 0);
  return (
    <section aria-labelledby="throughput">
      <h2 id="throughput" className="mb-3 font-semibold tracking-tight">
        Throughput{" "}
        <span className="font-normal text-muted text-sm tabular-nums">
          {Math.round(rates.at(-1) ?? 0)} per minute now, {plural(total, "scene")} stored in five minutes
        </span>
      </h2>
      <div className="rounded-2xl border border-line bg-surface p-4">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`Scenes stored per minute, ${Math.round(highest)} at most`}
          className="h-18 w-full"
        >
          <line x1="0" x2={WIDTH} y1={HEIGHT - 1} y2={HEIGHT - 1} className="stroke-line" />
          {total > 0 && (
            <polyline
              points={points.join(" ")}
              fill="none"
              strokeWidth="2"
              vectorEffect="non-scaling-stroke"
              strokeLinejoin="round"
              className="stroke-accent"
            />
          )}
        </svg>
        <p aria-hidden className="mt-1 flex justify-between text-muted text-xs">
          <span>5 min ago</span>
          <span>now</span>
        </p>
      </div>
    </section>
  );
}
