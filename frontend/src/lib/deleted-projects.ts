/** Projects that were deleted from this page and can be brought back, whatever page is open by now. */
import { useSyncExternalStore } from "react";

export interface DeletedProject {
  id: string;
  title: string;
  until: string;
}

let deleted: readonly DeletedProject[] = [];
const listeners = new Set<() => void>();

function change(next: readonly DeletedProject[]): void {
  deleted = next;
  for (const listener of listeners) listener();
}

export function offerRestore(project: DeletedProject): void {
  change([...deleted.filter(({ id }) => id !== project.id), project].slice(-3));
}

export function endRestore(id: string): void {
  change(deleted.filter((project) => project.id !== id));
}

export function useDeletedProjects(): readonly DeletedProject[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => deleted,
  );
}
