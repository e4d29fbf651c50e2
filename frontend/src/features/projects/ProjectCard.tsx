import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, Pencil, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { cx } from "@/components/cx";
import { Menu } from "@/components/Menu";
import { ProgressBar } from "@/components/ProgressBar";
import { ReelMark } from "@/components/ReelMark";
import { inWords, type Project, type ProjectSummary, posterUrl } from "@/lib/api";
import { plural } from "@/lib/format";
import { countGroups } from "@/lib/media";
import { summaryQuery } from "@/lib/projects";
import { useProjectMutations } from "./use-projects";

const TitleDialog = lazy(() => import("@/components/TitleDialog"));
const BUSY_REFRESH_MS = 3000;
const IDLE_REFRESH_MS = 30_000;

export function ProjectCard({ project }: { project: Project }) {
  const { data } = useQuery({
    ...summaryQuery(project.id),
    refetchInterval: ({ state }) => (state.data && isBusy(state.data) ? BUSY_REFRESH_MS : IDLE_REFRESH_MS),
  });
  const { rename, remove } = useProjectMutations(project);
  const [isRenaming, setIsRenaming] = useState(false);
  return (
    <li className="group relative flex flex-col overflow-hidden rounded-2xl border border-line bg-surface shadow-card transition-shadow focus-within:shadow-float hover:shadow-float">
      <Posters stills={data?.stills ?? []} />
      <div className="flex flex-1 items-start gap-1 py-3 pr-2 pl-4">
        <div className="min-w-0 flex-1">
          <h2 className="truncate py-1 font-semibold leading-6">
            <Link
              to="/projects/$projectId"
              params={{ projectId: project.id }}
              className="after:absolute after:inset-0 after:rounded-2xl focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent focus-visible:after:-outline-offset-2"
            >
              <bdi>{project.title}</bdi>
            </Link>
          </h2>
          <Counts summary={data} title={project.title} />
          {remove.error && (
            <p role="alert" className="mt-1 text-bad text-sm">
              Not deleted. {inWords(remove.error).message}
            </p>
          )}
        </div>
        <div className="relative z-10">
          <Menu
            label={`More for ${project.title}`}
            items={[
              { icon: Pencil, text: "Rename", onSelect: () => setIsRenaming(true) },
              { icon: Trash2, text: "Delete", isDangerous: true, onSelect: () => remove.mutate() },
            ]}
          />
        </div>
      </div>
      {isRenaming && (
        <Suspense>
          <TitleDialog
            heading="Rename the project"
            title={project.title}
            submit="Rename"
            onSubmit={rename.mutateAsync}
            onClose={() => setIsRenaming(false)}
          />
        </Suspense>
      )}
    </li>
  );
}

function isBusy({ by_status }: ProjectSummary): boolean {
  const { waiting, active } = countGroups(by_status);
  return waiting + active > 0;
}

/** Up to four stills of what was stored. */
function Posters({ stills }: { stills: ProjectSummary["stills"] }) {
  if (stills.length === 0) {
    return (
      <div className="grid aspect-video place-items-center bg-sunken">
        <ReelMark className="size-10 text-line-strong/60" />
      </div>
    );
  }
  return (
    <div
      className={cx(
        "grid aspect-video gap-px overflow-hidden bg-line",
        stills.length > 1 && "grid-cols-2",
        stills.length > 3 && "grid-rows-2",
      )}
    >
      {stills.slice(0, stills.length > 3 ? 4 : stills.length > 1 ? 2 : 1).map((still) => (
        <img
          key={still.scene_id}
          src={posterUrl(still)}
          alt=""
          loading="lazy"
          decoding="async"
          className="size-full min-h-0 bg-sunken object-cover"
        />
      ))}
    </div>
  );
}

function Counts({ summary, title }: { summary: ProjectSummary | undefined; title: string }) {
  if (!summary) return <p className="h-6" />;
  if (summary.scenes === 0) return <p className="min-h-6 text-muted text-sm leading-6">No scenes yet</p>;
  const counts = countGroups(summary.by_status);
  const withLink = Object.values(counts).reduce((sum, count) => sum + count);
  return (
    <>
      <p className="flex min-h-6 flex-wrap items-center gap-x-3 text-muted text-sm leading-6 tabular-nums">
        <span>{isBusy(summary) ? `${counts.stored} of ${withLink} stored` : plural(summary.scenes, "scene")}</span>
        {counts.failed > 0 && (
          <span className="flex items-center gap-1 text-bad">
            <CircleAlert aria-hidden className="size-3.5" />
            {counts.failed} failed
          </span>
        )}
      </p>
      {isBusy(summary) && (
        <div className="my-1.5">
          <ProgressBar label={`Progress of ${title}`} percent={(counts.stored / Math.max(1, withLink)) * 100} />
        </div>
      )}
    </>
  );
}
