import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { ChevronLeft, Trash2, Wifi, WifiOff } from "lucide-react";
import { cx } from "@/components/cx";
import { EditableTitle } from "@/components/EditableTitle";
import { Menu } from "@/components/Menu";
import { offerRestore } from "@/lib/deleted-projects";
import { deleteProject, PROJECTS_KEY, renameProject } from "@/lib/projects";
import { useProject, useProjectNotices } from "./ProjectProvider";
import type { Connection, CurrentProject } from "./project-reducer";

export function ProjectHeader({ project }: { project: CurrentProject }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { state, dispatch } = useProject();
  const { tell } = useProjectNotices();

  const remove = async () => {
    try {
      const { restorable_until: until } = await deleteProject(project.id);
      offerRestore({ id: project.id, title: project.title, until });
      await queries.invalidateQueries({ queryKey: PROJECTS_KEY });
      await navigate({ to: "/" });
    } catch (error) {
      tell("The project could not be deleted.", error);
    }
  };

  return (
    <header>
      <Link to="/" className="-ml-1 inline-flex items-center gap-1 rounded text-muted text-sm hover:text-ink">
        <ChevronLeft aria-hidden className="size-4" />
        Projects
      </Link>
      <div className="mt-1 flex items-start justify-between gap-3">
        <EditableTitle
          title={project.title}
          onRename={async (title) => dispatch({ type: "project", project: await renameProject(project.id, title) })}
        />
        <div className="flex shrink-0 items-center gap-2 pt-1">
          <ConnectionState connection={state.connection} />
          <Menu
            label="More for the project"
            items={[{ icon: Trash2, text: "Delete the project", isDangerous: true, onSelect: () => void remove() }]}
          />
        </div>
      </div>
    </header>
  );
}

const CONNECTIONS: Record<Connection, { text: string; look: string }> = {
  connecting: { text: "Connecting", look: "text-muted" },
  live: { text: "Live", look: "text-ok" },
  offline: { text: "Offline", look: "text-warn" },
};

function ConnectionState({ connection }: { connection: Connection }) {
  const { text, look } = CONNECTIONS[connection];
  const Icon = connection === "offline" ? WifiOff : Wifi;
  return (
    <p role="status" className={cx("flex items-center gap-1.5 font-medium text-sm", look)}>
      <Icon aria-hidden className="size-4" />
      {text}
    </p>
  );
}
