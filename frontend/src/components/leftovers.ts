/** What the paste that made a project could not use: its page shows it, because the page of the paste is gone by then. */
import type { Report } from "./use-link-intake";

export interface Leftover {
  text: string;
  report: Report | null;
}

const byProject = new Map<string, Leftover>();

export function leaveFor(projectId: string, leftover: Leftover): void {
  byProject.set(projectId, leftover);
}

export function leftFor(projectId: string): Leftover | undefined {
  return byProject.get(projectId);
}

export function forgetLeftover(projectId: string): void {
  byProject.delete(projectId);
}
