import { Ban, RotateCcw, Trash2, X } from "lucide-react";
import { Button, IconButton } from "@/components/Button";
import type { Scene } from "@/lib/api";
import { plural } from "@/lib/format";
import { canRetry, isInFlight } from "@/lib/media";
import { useActions } from "./ProjectProvider";

interface SelectionBarProps {
  selected: readonly Scene[];
  shown: number;
  onSelectAll: () => void;
  onClear: () => void;
  onRemove: (ids: string[]) => void;
}

/** What can be done to all that are selected. Its place is kept, so that nothing moves when the first is chosen. */
export function SelectionBar({ selected, shown, onSelectAll, onClear, onRemove }: SelectionBarProps) {
  const { retry, cancel } = useActions();
  const retriable = selected.filter(canRetry).map((scene) => scene.id);
  const running = selected.filter(isInFlight).map((scene) => scene.id);
  const count = selected.length;
  return (
    <div
      role="toolbar"
      aria-label="Selected scenes"
      className="sticky top-0 z-20 -mx-2 mb-2 flex min-h-11 flex-wrap items-center gap-1 bg-canvas px-2"
    >
      <label className="flex items-center gap-2.5 rounded-lg py-2 pr-3 pl-3.5 text-muted text-sm">
        <input
          type="checkbox"
          checked={count > 0 && count === shown}
          ref={(box) => {
            if (box) box.indeterminate = count > 0 && count < shown;
          }}
          onChange={(event) => (event.target.checked ? onSelectAll() : onClear())}
          className="size-4.5 accent-accent"
        />
        {count === 0 ? "Select all" : `${plural(count, "scene")} selected`}
      </label>
      {count > 0 && (
        <>
          {retriable.length > 0 && (
            <Button look="quiet" icon={RotateCcw} onClick={() => void retry(retriable)}>
              Retry
            </Button>
          )}
          {running.length > 0 && (
            <Button look="quiet" icon={Ban} onClick={() => void cancel(running)}>
              Cancel
            </Button>
          )}
          <Button look="danger" icon={Trash2} onClick={() => onRemove(selected.map((scene) => scene.id))}>
            Remove
          </Button>
          <IconButton icon={X} label="Select none" onClick={onClear} />
        </>
      )}
    </div>
  );
}
