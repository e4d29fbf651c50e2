import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Notice } from "@/components/Notice";
import { UndoBar, UndoBars } from "@/components/UndoBar";
import { inWords } from "@/lib/api";
import { type DeletedProject, endRestore, useDeletedProjects } from "@/lib/deleted-projects";
import { PROJECTS_KEY, restoreProject } from "@/lib/projects";

/** Projects that were deleted a moment ago, each with its Undo, on whatever page one is. */
export function DeletedProjects() {
  const deleted = useDeletedProjects();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [problem, setProblem] = useState("");

  const restore = async (project: DeletedProject) => {
    endRestore(project.id);
    try {
      await restoreProject(project.id);
      await queries.invalidateQueries({ queryKey: PROJECTS_KEY });
      await navigate({ to: "/projects/$projectId", params: { projectId: project.id } });
    } catch (error) {
      const { message, hint } = inWords(error);
      setProblem(`“${project.title}” was not restored. ${message} ${hint}`);
    }
  };

  if (deleted.length === 0 && !problem) return null;
  return (
    <UndoBars>
      {problem && <Notice tone="bad" role="alert" title={problem} onDismiss={() => setProblem("")} />}
      {deleted.map((project) => (
        <UndoBar
          key={project.id}
          what={`“${project.title}” deleted`}
          until={project.until}
          onUndo={() => void restore(project)}
          onOver={() => endRestore(project.id)}
        />
      ))}
    </UndoBars>
  );
}
