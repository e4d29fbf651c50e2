/** What the whole service does, looked at every two seconds while the page is open. */
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Monitor } from "@/lib/api";

const LOOK_MS = 2000;
const RETRIED_AT_ONCE = 1000;

export function useMonitor() {
  return useQuery({
    queryKey: ["monitor"],
    queryFn: () => ask(client.GET("/api/v1/monitor")),
    refetchInterval: LOOK_MS,
  });
}

type Work = Monitor["work"][number];

export interface WorkerView {
  name: string;
  work: Work[];
  /** False where it holds scenes, but does not answer. */
  isOnline: boolean;
}

/** Each worker with what its processes are at; last those of machines from which no worker answers. */
export function workersOf(online: readonly string[], work: readonly Work[]): WorkerView[] {
  const byMachine = new Map<string, Work[]>();
  for (const item of work) {
    const machine = item.worker.split("/")[0] ?? item.worker;
    byMachine.set(machine, [...(byMachine.get(machine) ?? []), item]);
  }
  const views = online.map((name) => {
    const machine = name.slice(name.indexOf("@") + 1);
    const mine = name.startsWith("media@") ? (byMachine.get(machine) ?? []) : [];
    if (mine.length > 0) byMachine.delete(machine);
    return { name, work: mine, isOnline: true };
  });
  const silent = [...byMachine].map(([machine, left]) => ({ name: machine, work: left, isOnline: false }));
  return [...views, ...silent];
}

/** Scenes per minute at each slot: the mean of the last three, as scenes come one by one and a line of spikes says nothing. */
export function ratesOf({ stored, slot_s }: Monitor["throughput"]): number[] {
  const WINDOW = 3;
  return stored.map((_, index) => {
    const recent = stored.slice(Math.max(0, index - WINDOW + 1), index + 1);
    return (recent.reduce((sum, count) => sum + count, 0) / recent.length) * (60 / slot_s);
  });
}

/** Try everything again that failed with this code, in every project; how many scenes were queued. */
export async function retryCode(code: string): Promise<number> {
  let all = 0;
  for (;;) {
    const { queued } = await ask(client.POST("/api/v1/media/retry", { body: { codes: [code] } }));
    all += queued;
    if (queued < RETRIED_AT_ONCE) return all;
  }
}
