/** Sizes, durations and counts as people read them. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

function stepOf(bytes: number): number {
  let step = 0;
  // Rounded first, so that 999.96 kB reads 1.0 MB.
  while (step < UNITS.length - 1 && Number((bytes / 1000 ** step).toFixed(step ? 1 : 0)) >= 1000) step += 1;
  return step;
}

function amount(bytes: number, step: number): string {
  const value = bytes / 1000 ** step;
  return value.toFixed(step === 0 || value >= 100 ? 0 : 1);
}

export function formatBytes(bytes: number): string {
  const step = stepOf(bytes);
  return `${amount(bytes, step)} ${UNITS[step]}`;
}

/** "41 of 210 MB": one unit for both, that of the larger. */
export function formatBytesOf(done: number, total: number): string {
  const step = stepOf(total);
  return `${amount(Math.min(done, total), step)} of ${amount(total, step)} ${UNITS[step]}`;
}

export function formatSpeed(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** "12 s", "2 min", "1 h 5 min": coarse, because an estimate is no stop-watch. */
export function formatTimeLeft(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${Math.floor(minutes / 60)} h`;
}

/** "1:05", "1:02:03": a medium's length. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

export function formatMoment(moment: string): string {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export function formatClockTime(moment: string): string {
  return new Date(moment).toLocaleTimeString(undefined, { timeStyle: "medium" });
}
