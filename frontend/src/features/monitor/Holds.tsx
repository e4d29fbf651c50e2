import { Notice } from "@/components/Notice";
import type { Monitor } from "@/lib/api";
import { secondsUntil } from "@/lib/clock";
import { formatMoment, formatTimeLeft } from "@/lib/format";
import { useEverySecond } from "@/lib/use-now";

/** Why scenes wait that could begin, each with its remedy. */
export function Holds({ monitor }: { monitor: Monitor }) {
  useEverySecond();
  return (
    <>
      {monitor.workers === null && (
        <Notice tone="bad" title="The broker does not answer">
          Nothing is lost: links are queued in the database. See whether Redis runs; <code>takeup doctor</code> says
          what is wrong.
        </Notice>
      )}
      {monitor.workers?.every((worker) => worker.startsWith("maintenance@")) && (
        <Notice tone="bad" title="No worker listens">
          Nothing is fetched until one does. Start one with <code>takeup worker</code>, or everything with{" "}
          <code>takeup up</code>.
        </Notice>
      )}
      {monitor.holds.map((hold) => (
        <Notice key={hold.subject} tone="warn" title={hold.message}>
          {hold.hint} Since {formatMoment(hold.since)}; tried again in{" "}
          {formatTimeLeft(Math.max(1, secondsUntil(hold.next_trial_at)))}. <code>{hold.code}</code>
        </Notice>
      ))}
    </>
  );
}
