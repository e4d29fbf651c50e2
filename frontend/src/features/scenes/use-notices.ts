/** What could not be done, kept until somebody has read it; and what can be undone, for as long as it can. */
import { useCallback, useMemo, useState } from "react";
import { inWords } from "@/lib/api";

export interface Notice {
  key: number;
  message: string;
  hint: string;
}

export interface Undoable {
  key: number;
  ids: readonly string[];
  until: string;
}

let lastKey = 0;
export function nextKey(): number {
  lastKey += 1;
  return lastKey;
}

export interface Notices {
  notices: readonly Notice[];
  undoables: readonly Undoable[];
  /** Keep a failure; what was being done goes before its reason: "2 scenes were not removed". */
  tell: (what: string, error: unknown) => void;
  dismiss: (key: number) => void;
  offerUndo: (ids: readonly string[], until: string) => void;
  endUndo: (key: number) => void;
}

export function useNotices(): Notices {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const [undoables, setUndoables] = useState<readonly Undoable[]>([]);
  const tell = useCallback((what: string, error: unknown) => {
    const { message, hint } = inWords(error);
    const notice = { key: nextKey(), message: `${what} ${message}`, hint };
    // The same failure again replaces its notice: a held key must not fill the page.
    setNotices((now) => [...now.filter((other) => other.message !== notice.message), notice].slice(-3));
  }, []);
  const dismiss = useCallback((key: number) => setNotices((now) => now.filter((notice) => notice.key !== key)), []);
  const offerUndo = useCallback((ids: readonly string[], until: string) => {
    setUndoables((now) => [...now, { key: nextKey(), ids, until }].slice(-3));
  }, []);
  const endUndo = useCallback((key: number) => setUndoables((now) => now.filter((undo) => undo.key !== key)), []);
  return useMemo(
    () => ({ notices, undoables, tell, dismiss, offerUndo, endUndo }),
    [notices, undoables, tell, dismiss, offerUndo, endUndo],
  );
}
