import { Check, CircleAlert, LoaderCircle, RotateCcw } from "lucide-react";
import { IconButton } from "@/components/Button";
import { cx } from "@/components/cx";
import { inWords, type SetupCheck } from "@/lib/api";
import type { SetupView } from "./use-setup";

const NAMES: Record<string, string> = {
  database: "Database",
  broker: "Broker",
  bucket: "Bucket",
  workers: "Workers",
  disk: "Disk",
  "yt-dlp": "yt-dlp",
  browser: "Your browser and the bucket",
};

/** A line for each thing that Takeup needs; one that is not well says what to do. */
export function SetupChecks({ setup }: { setup: SetupView }) {
  const { checks, error, isLooking, lookAgain } = setup;
  const ill = checks?.filter(({ ok, remedy }) => !ok && remedy) ?? [];
  const failure = error ? inWords(error) : null;
  return (
    <section aria-labelledby="set-up" className="rounded-2xl border border-line bg-surface p-5 shadow-card">
      <div className="flex items-center justify-between gap-3">
        <h2 id="set-up" className="font-semibold">
          Set-up
        </h2>
        <IconButton
          icon={RotateCcw}
          label="Check again"
          aria-disabled={isLooking}
          onClick={() => !isLooking && lookAgain()}
          className="-my-1.5 -mr-2"
        />
      </div>
      <p role="status" className="mt-0.5 text-muted text-sm">
        {failure ? failure.message : summaryOf(checks, ill.length)}
      </p>
      {failure && <p className="mt-1 text-muted text-sm">{failure.hint}</p>}
      <ul aria-busy={checks === null && !failure} className="mt-4 grid gap-2.5">
        {(checks ?? WAITING).map((check) => (
          <CheckLine key={check.name} check={check} isKnown={checks !== null} />
        ))}
      </ul>
    </section>
  );
}

const WAITING: SetupCheck[] = Object.keys(NAMES).map((name) => ({ name, ok: false, seen: "", remedy: "" }));

function summaryOf(checks: readonly SetupCheck[] | null, ill: number): string {
  if (checks === null) return "Looking at what Takeup needs.";
  if (ill === 0) return checks.every(({ ok }) => ok) ? "Everything works." : "Looking at what Takeup needs.";
  return `${ill === 1 ? "One thing needs" : `${ill} things need`} your attention.`;
}

function CheckLine({ check, isKnown }: { check: SetupCheck; isKnown: boolean }) {
  const { name, ok, seen, remedy } = check;
  const isIll = isKnown && !ok && remedy !== "";
  const Icon = ok ? Check : isIll ? CircleAlert : LoaderCircle;
  const ink = ok ? "text-ok" : isIll ? "text-bad" : "animate-spin text-muted";
  return (
    <li className="flex gap-2.5 text-sm">
      <Icon aria-hidden className={cx("mt-0.5 size-4 shrink-0", ink)} />
      <div className="min-w-0">
        <p className={isIll ? "font-medium" : ""}>
          {name === "browser" && ok ? "Your browser reaches the bucket" : (NAMES[name] ?? name)}
          <span className="sr-only">{ok ? ": OK" : isIll ? ": not OK" : ": being looked at"}</span>
        </p>
        {isIll && (
          <p className="mt-0.5 text-muted [overflow-wrap:anywhere]">
            {seen} <Remedy text={remedy} />
          </p>
        )}
      </div>
    </li>
  );
}

/** Commands stand between backticks. */
function Remedy({ text }: { text: string }) {
  return text.split("`").map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part));
}
