import { ratesOf, type Sample } from "./use-monitor";

const WIDTH = 600;
const HEIGHT = 72;
const SPAN_MS = 5 * 60_000;

/** Scenes stored per minute as a line, the last five minutes at most. */
export function Throughput({ samples }: { samples: readonly Sample[] }) {
  const rates = smoothed(ratesOf(samples));
  const highest = Math.max(1, ...rates);
  const end = samples.at(-1)?.at ?? 0;
  const points = rates.map((rate, index) => {
    const at = samples[index + 1]?.at ?? end;
    return `${(WIDTH * (1 - (end - at) / SPAN_MS)).toFixed(1)},${(HEIGHT - 2 - (rate / highest) * (HEIGHT - 6)).toFixed(1)}`;
  });
  const now = rates.at(-1) ?? 0;
  const stored = Math.max(0, (samples.at(-1)?.stored ?? 0) - (samples[0]?.stored ?? 0));
  return (
    <section aria-labelledby="throughput">
      <h2 id="throughput" className="mb-3 font-semibold tracking-tight">
        Throughput{" "}
        <span className="font-normal text-muted text-sm tabular-nums">
          {Math.round(now)} per minute now, {stored} stored since this page was opened
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
          {points.length > 1 && (
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

/** The mean of about ten seconds: scenes come one by one, and a line of spikes says nothing. */
function smoothed(rates: readonly number[]): number[] {
  const WINDOW = 5;
  return rates.map((_, index) => {
    const recent = rates.slice(Math.max(0, index - WINDOW + 1), index + 1);
    return recent.reduce((sum, rate) => sum + rate, 0) / recent.length;
  });
}
