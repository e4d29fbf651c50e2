/** A new project, from a title or from the links that were pasted; its page opens as soon as it is there. */
import type { UseMutationResult } from "@tanstack/react-query";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import type { Intake } from "@/components/use-link-intake";
import { addLinks } from "@/lib/add-links";
import { type ApiError, inWords, type Project } from "@/lib/api";
import { hostOf } from "@/lib/links";
import { createProject, PROJECTS_KEY } from "@/lib/projects";
import { requestStorage } from "@/lib/storage-trigger";

/** Named after where its links lead, until somebody gives it a better name. */
export function titleFor(links: readonly string[], isFirst: boolean): string {
  const hosts = [...new Set(links.map(hostOf))];
  if (isFirst) return "My first project";
  return (hosts.length === 1 && hosts[0] ? `From ${hosts[0]}` : "Untitled project").slice(0, 200);
}

interface NewProject {
  create: UseMutationResult<Project, ApiError, string>;
  /** The project of these links. Nothing is added where it cannot be made. */
  createFrom: (links: string[]) => Promise<Intake>;
  open: (projectId: string) => Promise<void>;
}

export function useNewProject(isFirst: boolean): NewProject {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const open = useCallback(
    (projectId: string) => navigate({ to: "/projects/$projectId", params: { projectId } }),
    [navigate],
  );
  const create = useMutation<Project, ApiError, string>({
    mutationFn: createProject,
    onSuccess: async (project) => {
      await queries.invalidateQueries({ queryKey: PROJECTS_KEY });
      await open(project.id);
    },
  });
  const createFrom = useCallback(
    async (links: string[]): Promise<Intake> => {
      let arrived = 0;
      let made: Project | null = null;
      try {
        made = await createProject(titleFor(links, isFirst));
        const rejected = await addLinks(made.id, links, (scenes) => {
          arrived += scenes.length;
          void requestStorage(scenes);
        });
        void queries.invalidateQueries({ queryKey: PROJECTS_KEY });
        return { rejected, missed: [], projectId: made.id };
      } catch (error) {
        const { message } = inWords(error);
        const rejected = links.slice(arrived).map((line) => ({ line, reason: message }));
        return { rejected, missed: [], ...(made && arrived > 0 ? { projectId: made.id } : {}) };
      }
    },
    [isFirst, queries],
  );
  return { create, createFrom, open };
}
