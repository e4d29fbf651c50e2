import { ExternalLink } from "lucide-react";
import { useEffect } from "react";
import { buttonLook } from "@/components/Button";
import { Notice } from "@/components/Notice";
import { inWords, type Monitor } from "@/lib/api";
import { formatTimeLeft } from "@/lib/format";
import { Failures } from "./Failures";
import { Holds } from "./Holds";
import { Throughput } from "./Throughput";
import { useMonitor } from "./use-monitor";
import { Workers } from "./Workers";

export default function MonitorPage() {
  const { data, error } = useMonitor();
  useEffect(() => {
    document.title = "Monitor - Takeup";
  }, []);
  const failure = error ? inWords(error) : null;
  return (
    <>
      <div className="mb-6 flex items-center justify-between gap-4">
        <h1 className="font-semibold text-2xl tracking-tight">Monitor</h1>
        {data?.flower_url && (
          <a href={data.flower_url} target="_blank" rel="noreferrer noopener" className={buttonLook()}>
            <ExternalLink aria-hidden className="size-4" />
            Open Flower
          </a>
        )}
      </div>
      <div className="mb-6 grid gap-3 empty:hidden">
        {failure && (
          <Notice tone="bad" role="alert" title={failure.message}>
            {failure.hint} {data && "What you see is what was known last."}
          </Notice>
        )}
        {data && <Holds monitor={data} />}
      </div>
      {data ? (
        <div className="grid gap-8">
          <Counts monitor={data} />
          <Throughput throughput={data.throughput} />
          <div className="grid gap-8 lg:grid-cols-2">
            <Workers monitor={data} />
            <Failures failures={data.failures} />
          </div>
        </div>
      ) : (
        !failure && <div aria-busy="true" className="h-28 animate-pulse rounded-2xl bg-sunken" />
      )}
    </>
  );
}

function Counts({ monitor }: { monitor: Monitor }) {
  const { waiting, active, oldest_wait_s: oldest, scenes } = monitor;
  const counts = [
    { name: "Waiting", value: waiting.toLocaleString("en") },
    { name: "Arriving", value: active.toLocaleString("en") },
    { name: "Failed", value: (scenes.failed ?? 0).toLocaleString("en") },
    { name: "Stored", value: (scenes.ready ?? 0).toLocaleString("en") },
    { name: "Oldest wait", value: oldest === null ? "none" : formatTimeLeft(oldest) },
  ];
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-2xl border border-line bg-line sm:grid-cols-5">
      {counts.map(({ name, value }) => (
        <div key={name} className="bg-surface p-4 last:col-span-full sm:last:col-span-1">
          <dt className="text-muted text-sm">{name}</dt>
          <dd className="mt-1 font-semibold text-2xl tabular-nums tracking-tight">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
