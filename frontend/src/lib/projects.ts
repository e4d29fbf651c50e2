/** Projects on the server, and their names in the query cache. */
import { queryOptions } from "@tanstack/react-query";
import { ask, client, type Deletion, type Project, type ProjectWithScenes } from "./api";

const at = (projectId: string) => ({ params: { path: { project_id: projectId } } });

export const PROJECTS_KEY = ["projects"] as const;

export function createProject(title: string): Promise<Project> {
  return ask(client.POST("/api/v1/projects", { body: { title } }));
}

export function renameProject(projectId: string, title: string): Promise<Project> {
  return ask(client.PATCH("/api/v1/projects/{project_id}", { ...at(projectId), body: { title } }));
}

export function deleteProject(projectId: string): Promise<Deletion> {
  return ask(client.DELETE("/api/v1/projects/{project_id}", at(projectId)));
}

export function restoreProject(projectId: string): Promise<ProjectWithScenes> {
  return ask(client.POST("/api/v1/projects/{project_id}/restore", at(projectId)));
}

export function listProjects(cursor: string | null, limit = 24) {
  return ask(client.GET("/api/v1/projects", { params: { query: cursor === null ? { limit } : { limit, cursor } } }));
}

export function summaryQuery(projectId: string) {
  return queryOptions({
    queryKey: [...PROJECTS_KEY, projectId],
    queryFn: () => ask(client.GET("/api/v1/projects/{project_id}/summary", at(projectId))),
  });
}
