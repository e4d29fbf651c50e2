import { Undo2 } from "lucide-react";
import { useEffect } from "react";
import { secondsUntil } from "@/lib/clock";
import { useEverySecond } from "@/lib/use-now";
import { Button } from "./Button";

interface UndoBarProps {
  what: string;
  /** Until when it can be undone: then the bar goes. */
  until: string;
  onUndo: () => void;
  onOver: () => void;
}

export function UndoBar({ what, until, onUndo, onOver }: UndoBarProps) {
  useEverySecond();
  const left = secondsUntil(until);
  useEffect(() => {
    if (left === 0) onOver();
  }, [left, onOver]);
  return (
    <div
      role="status"
      className="flex items-center gap-4 rounded-xl border border-line bg-ink py-2 pr-2 pl-4 text-canvas text-sm shadow-float"
    >
      <span className="min-w-0 flex-1">{what}</span>
      <span aria-hidden className="text-canvas/70 tabular-nums">
        {left} s
      </span>
      <Button look="inverse" icon={Undo2} onClick={onUndo}>
        Undo
      </Button>
    </div>
  );
}

/** Where such bars lie: above everything, in nobody's way. */
export function UndoBars({ children }: { children: React.ReactNode }) {
  return (
    <section
      aria-label="What can be undone"
      className="-translate-x-1/2 fixed bottom-4 left-1/2 z-30 grid w-[min(26rem,calc(100vw-2rem))] gap-2"
    >
      {children}
    </section>
  );
}
