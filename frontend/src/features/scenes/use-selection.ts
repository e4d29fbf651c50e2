/** Which scenes are selected: one by one, by ranges with Shift, all with Ctrl+A. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

export interface Selection {
  ids: ReadonlySet<string>;
  toggle: (id: string, isRange: boolean) => void;
  selectAll: () => void;
  clear: () => void;
}

/** Between the last one touched and this one, in the order shown; just this one where the last is not shown. */
export function rangeBetween(order: readonly string[], from: string | null, to: string): string[] {
  const start = from === null ? -1 : order.indexOf(from);
  const end = order.indexOf(to);
  if (start < 0 || end < 0) return [to];
  return order.slice(Math.min(start, end), Math.max(start, end) + 1);
}

/** `order`: the ids that are shown. What is not shown any more is not selected either. */
export function useSelection(order: readonly string[]): Selection {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const anchor = useRef<string | null>(null);
  const latest = useRef(order);
  latest.current = order;

  const toggle = useCallback((id: string, isRange: boolean) => {
    const range = isRange ? rangeBetween(latest.current, anchor.current, id) : [id];
    anchor.current = id;
    setChosen((now) => {
      const next = new Set(now);
      const isOn = isRange || !now.has(id);
      for (const each of range) isOn ? next.add(each) : next.delete(each);
      return next;
    });
  }, []);
  const selectAll = useCallback(() => setChosen(new Set(latest.current)), []);
  const clear = useCallback(() => setChosen((now) => (now.size === 0 ? now : new Set())), []);

  const ids = useMemo(() => {
    const shown = order.filter((id) => chosen.has(id));
    return new Set(shown);
  }, [order, chosen]);
  return useMemo(() => ({ ids, toggle, selectAll, clear }), [ids, toggle, selectAll, clear]);
}

function isElsewhere(event: KeyboardEvent): boolean {
  const target = event.target instanceof HTMLElement ? event.target : null;
  const inField = target?.closest("textarea, select, [contenteditable=true], [role=menu], input:not([type=checkbox])");
  return inField != null || document.querySelector("[role=dialog]") !== null;
}

/** Ctrl+A, Delete and Escape, wherever the focus is but in a field. */
export function useSelectionKeys({ ids, selectAll, clear }: Selection, remove: (ids: string[]) => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isElsewhere(event) || event.defaultPrevented) return;
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
        event.preventDefault();
        selectAll();
      } else if (event.key === "Escape") {
        clear();
      } else if (event.key === "Delete" && ids.size > 0) {
        event.preventDefault();
        remove([...ids]);
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [ids, selectAll, clear, remove]);
}
