import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, Pencil, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { cx } from "@/components/cx";
import { Menu } from "@/components/Menu";
import { ProgressBar } from "@/components/ProgressBar";
import { ReelMark } from "@/components/ReelMark";
import { contentUrl, inWords, type Project, type Scene } from "@/lib/api";
import { plural } from "@/lib/format";
import { projectQuery } from "@/lib/projects";
import { totalsOf } from "@/lib/totals";
import { useProjectMutations } from "./use-projects";

const TitleDialog = lazy(() => import("@/components/TitleDialog"));
const BUSY_REFRESH_MS = 3000;
const IDLE_REFRESH_MS = 30_000;

export function ProjectCard({ project }: { project: Project }) {
  const { data } = useQuery({
    ...projectQuery(project.id),
    refetchInterval: ({ state }) => (isBusy(state.data?.scenes) ? BUSY_REFRESH_MS : IDLE_REFRESH_MS),
  });
  const { rename, remove } = useProjectMutations(project);
  const [isRenaming, setIsRenaming] = useState(false);
  return (
    <li className="group relative flex flex-col overflow-hidden rounded-2xl border border-line bg-surface shadow-card transition-shadow focus-within:shadow-float hover:shadow-float">
      <Posters scenes={data?.scenes ?? []} />
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
          <Counts scenes={data?.scenes} title={project.title} />
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

function isBusy(scenes: readonly Scene[] | undefined): boolean {
  if (!scenes) return false;
  const { counts } = totalsOf(scenes);
  return counts.waiting + counts.active > 0;
}

/** Up to four stills of what was stored. */
function Posters({ scenes }: { scenes: readonly Scene[] }) {
  const stills = scenes.filter((scene) => scene.media?.poster).slice(0, 4);
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
      {stills.slice(0, stills.length > 3 ? 4 : stills.length > 1 ? 2 : 1).map((scene) => (
        <img
          key={scene.id}
          src={contentUrl(scene, "poster")}
          alt=""
          loading="lazy"
          decoding="async"
          className="size-full min-h-0 bg-sunken object-cover"
        />
      ))}
    </div>
  );
}

function Counts({ scenes, title }: { scenes: readonly Scene[] | undefined; title: string }) {
  if (!scenes) return <p className="h-6" />;
  if (scenes.length === 0) return <p className="min-h-6 text-muted text-sm leading-6">No scenes yet</p>;
  const { counts, withLink } = totalsOf(scenes);
  const isRunning = counts.waiting + counts.active > 0;
  return (
    <>
      <p className="flex min-h-6 flex-wrap items-center gap-x-3 text-muted text-sm leading-6 tabular-nums">
        <span>{isRunning ? `${counts.stored} of ${withLink} stored` : plural(scenes.length, "scene")}</span>
        {counts.failed > 0 && (
          <span className="flex items-center gap-1 text-bad">
            <CircleAlert aria-hidden className="size-3.5" />
            {counts.failed} failed
          </span>
        )}
      </p>
      {isRunning && (
        <div className="my-1.5">
          <ProgressBar label={`Progress of ${title}`} percent={(counts.stored / Math.max(1, withLink)) * 100} />
        </div>
      )}
    </>
  );
}
