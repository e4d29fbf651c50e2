import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo } from "react";
import { LinkBox } from "@/components/LinkBox";
import { forgetLeftover, leftFor } from "@/components/leftovers";
import { useLinkIntake } from "@/components/use-link-intake";
import { totalsOf } from "@/lib/totals";
import { AddingScenes } from "./AddingScenes";
import { NoScenes } from "./NoScenes";
import { OverallProgress } from "./OverallProgress";
import { ProjectHeader } from "./ProjectHeader";
import { ProjectNotices } from "./ProjectNotices";
import { useActions, useProject } from "./ProjectProvider";
import { SceneList } from "./SceneList";
import { SelectionBar } from "./SelectionBar";
import { StateTabs } from "./StateTabs";
import { useMilestones } from "./use-milestones";
import { useSelection, useSelectionKeys } from "./use-selection";
import { duplicatesOf, scenesIn, type View } from "./views";

export default function EditorPage() {
  const { projectId } = useParams({ from: "/projects/$projectId/" });
  const { state, scenes } = useProject();
  const { add, remove, retryFailed } = useActions();
  const { state: view = "all" } = useSearch({ from: "/projects/$projectId/" });
  const navigate = useNavigate({ from: "/projects/$projectId/" });

  const knownLinks = useCallback(() => scenes.flatMap((scene) => scene.media?.source_url ?? []), [scenes]);
  const intake = useLinkIntake({ known: knownLinks, add, start: leftFor(projectId) });
  useEffect(() => () => forgetLeftover(projectId), [projectId]);
  const totals = useMemo(() => totalsOf(scenes), [scenes]);
  const duplicates = useMemo(() => duplicatesOf(scenes), [scenes]);
  const shown = useMemo(() => scenesIn(view, scenes), [view, scenes]);
  const order = useMemo(() => shown.map((scene) => scene.id), [shown]);
  const selection = useSelection(order);
  const { clear } = selection;
  const removeAll = useCallback(
    (ids: string[]) => {
      clear();
      void remove(ids);
    },
    [clear, remove],
  );
  useSelectionKeys(selection, removeAll);
  useMilestones(scenes);

  const project = state.currentProject;
  const title = project?.title ?? "Takeup";
  useEffect(() => {
    const isDone = totals.withLink === totals.counts.stored;
    document.title = isDone ? `${title} - Takeup` : `${totals.counts.stored} of ${totals.withLink} - ${title}`;
  }, [title, totals]);

  if (!project) return null;
  const hasScenes = scenes.length + state.adding.length > 0;
  const openView = (next: View) => void navigate({ search: next === "all" ? {} : { state: next }, replace: true });
  return (
    <>
      <ProjectHeader project={project} />
      <ProjectNotices />
      <div className="mt-5">
        <LinkBox intake={intake} />
      </div>
      {!hasScenes && <NoScenes />}
      {hasScenes && (
        <>
          <div className="mt-8 mb-6">
            <OverallProgress totals={totals} adding={state.adding.length} onRetryFailed={() => void retryFailed()} />
          </div>
          <StateTabs view={view} onView={openView} totals={totals} all={scenes.length}>
            {shown.length > 0 && (
              <SelectionBar
                selected={shown.filter((scene) => selection.ids.has(scene.id))}
                shown={shown.length}
                onSelectAll={selection.selectAll}
                onClear={clear}
                onRemove={removeAll}
              />
            )}
            {shown.length === 0 && state.adding.length === 0 && (
              <p className="py-16 text-center text-muted">No scene is in this state.</p>
            )}
            <SceneList
              scenes={shown}
              all={scenes}
              duplicates={duplicates}
              selection={selection}
              isSorted={view === "all"}
            />
            {view === "all" && <AddingScenes adding={state.adding} />}
          </StateTabs>
        </>
      )}
    </>
  );
}
