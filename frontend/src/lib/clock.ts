/** Server time by the browser's clock: a countdown to a server's moment must not depend on how the latter is set. */

let offsetMs = 0;
const PRECISION_MS = 1500; // a Date header has whole seconds, and the answer took its time

export function noteServerTime(date: string | null): void {
  const server = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(server)) return;
  const seen = server + 500 - Date.now();
  offsetMs = Math.abs(seen) > PRECISION_MS ? seen : 0;
}

export function serverNow(): number {
  return Date.now() + offsetMs;
}

/** Seconds until the moment, 0 once it has come. */
export function secondsUntil(moment: string): number {
  return Math.max(0, Math.ceil((Date.parse(moment) - serverNow()) / 1000));
}
