/** The projects, newest first, page by page; and what can be done to one. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import type { Project } from "@/lib/api";
import { offerRestore } from "@/lib/deleted-projects";
import { deleteProject, listProjects, PROJECTS_KEY, renameProject } from "@/lib/projects";

const REFRESH_MS = 5000;

export function useProjects() {
  return useInfiniteQuery({
    queryKey: [...PROJECTS_KEY, "list"],
    queryFn: ({ pageParam }) => listProjects(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: REFRESH_MS,
  });
}

export function useProjectMutations(project: Project) {
  const queries = useQueryClient();
  const refresh = () => queries.invalidateQueries({ queryKey: PROJECTS_KEY });
  const rename = useMutation({ mutationFn: (title: string) => renameProject(project.id, title), onSuccess: refresh });
  const remove = useMutation({
    mutationFn: () => deleteProject(project.id),
    onSuccess: (deletion) => {
      offerRestore({ id: project.id, title: project.title, until: deletion.restorable_until });
      return refresh();
    },
  });
  return { rename, remove };
}
