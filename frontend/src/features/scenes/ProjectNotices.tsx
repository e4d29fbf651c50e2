import { Notice } from "@/components/Notice";
import { UndoBar, UndoBars } from "@/components/UndoBar";
import { plural } from "@/lib/format";
import { useActions, useProject, useProjectNotices } from "./ProjectProvider";

/** What could not be done, and that the connection is lost. */
export function ProjectNotices() {
  const { notices, dismiss } = useProjectNotices();
  const { state } = useProject();
  const isOffline = state.connection === "offline";
  if (notices.length === 0 && !isOffline) return null;
  return (
    <div className="mt-4 grid gap-2">
      {isOffline && (
        <Notice tone="warn" role="status" title="The connection is lost">
          What you see may be old. It is tried again by itself; downloads go on meanwhile.
        </Notice>
      )}
      {notices.map(({ key, message, hint }) => (
        <Notice key={key} tone="bad" role="alert" title={message} onDismiss={() => dismiss(key)}>
          {hint}
        </Notice>
      ))}
    </div>
  );
}

export function RemovedScenes() {
  const { undoables, endUndo } = useProjectNotices();
  const { undo } = useActions();
  if (undoables.length === 0) return null;
  return (
    <UndoBars>
      {undoables.map((undoable) => (
        <UndoBar
          key={undoable.key}
          what={`${plural(undoable.ids.length, "scene")} removed`}
          until={undoable.until}
          onUndo={() => void undo(undoable)}
          onOver={() => endUndo(undoable.key)}
        />
      ))}
    </UndoBars>
  );
}
