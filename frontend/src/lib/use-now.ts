/** One clock for all countdowns of the page, which ticks only while one is shown. */
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let timer: number | undefined;
let tick = 0;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    tick += 1;
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    window.clearInterval(timer);
    timer = undefined;
  };
}

/** Have the component drawn again every second. */
export function useEverySecond(): number {
  return useSyncExternalStore(subscribe, () => tick);
}
