import { Link, useParams } from "@tanstack/react-router";
import { X } from "lucide-react";
import { lazy, memo, type ReactNode, Suspense, useState } from "react";
import { Button } from "@/components/Button";
import { cx } from "@/components/cx";
import type { Scene } from "@/lib/api";
import { formatBytes } from "@/lib/format";
import { hostOf } from "@/lib/links";
import { titleOf } from "@/lib/media";
import { Player } from "./Player";
import { Poster } from "./Poster";
import { useActions } from "./ProjectProvider";
import { SceneActions } from "./SceneActions";
import { SceneFailure } from "./SceneFailure";
import { type Places, SceneMenu } from "./SceneMenu";
import { SceneState } from "./SceneState";
import { SceneText } from "./SceneText";

const EditLink = lazy(() => import("./EditLink"));

interface SceneCardProps {
  scene: Scene;
  number: number;
  /** The number of an earlier scene with the same link. */
  duplicateOf: number | undefined;
  isSelected: boolean;
  onSelect: (id: string, isRange: boolean) => void;
  up: Places["up"];
  down: Places["down"];
  handle: ReactNode;
}

export const SceneCard = memo(function SceneCard(props: SceneCardProps) {
  const { scene, number, duplicateOf, isSelected, onSelect, up, down, handle } = props;
  const [isPlaying, setIsPlaying] = useState(false);
  const [isEditing, setIsEditing] = useState(false);
  const { remove, retry, cancel, move } = useActions();
  const title = titleOf(scene);
  const isReady = scene.media?.status === "ready";
  const act = {
    onRetry: () => void retry([scene.id]),
    onCancel: () => void cancel([scene.id]),
    onEditLink: () => setIsEditing(true),
    onRemove: () => void remove([scene.id]),
  };
  return (
    <article
      aria-label={`Scene ${number}: ${title}`}
      className={cx(
        "grid grid-cols-[auto_1fr] gap-x-3 rounded-2xl border bg-surface p-3 shadow-card transition-colors sm:grid-cols-[auto_11rem_1fr] sm:gap-x-4",
        isSelected ? "border-accent bg-accent-soft/40" : "border-line",
      )}
    >
      <div className="row-span-2 flex w-6 flex-col items-center gap-1 sm:row-span-1">
        <input
          type="checkbox"
          aria-label={`Select scene ${number}: ${title}`}
          checked={isSelected}
          onClick={(event) => onSelect(scene.id, event.shiftKey)}
          onChange={() => undefined}
          className="my-1 size-4.5 accent-accent"
        />
        <span aria-hidden className="text-muted text-xs tabular-nums">
          {number}
        </span>
        {handle}
      </div>
      <div className="mb-3 sm:mb-0">
        <Poster scene={scene} isPlaying={isPlaying} onPlay={() => setIsPlaying((now) => !now)} />
      </div>
      <div className="col-start-2 flex min-h-25 min-w-0 flex-col sm:col-start-3">
        <div className="flex items-start gap-1">
          <div className="min-w-0 flex-1 pt-1">
            <SceneTitle scene={scene} title={title} duplicateOf={duplicateOf} />
          </div>
          <SceneActions scene={scene} {...act} />
          <SceneMenu scene={scene} places={{ up, down }} onMove={(after) => void move(scene.id, after)} {...act} />
        </div>
        <div className="mt-1 min-h-14 sm:min-h-10">
          <SceneState scene={scene} />
          {scene.media?.status === "failed" && scene.media.error && (
            <SceneFailure scene={scene} failure={scene.media.error} {...act} />
          )}
        </div>
        <div className="mt-1">
          <SceneText scene={scene} />
        </div>
      </div>
      {isReady && isPlaying && (
        <div className="col-span-full mt-3 border-line border-t pt-3">
          <Player scene={scene} autoPlay />
          <Button look="quiet" icon={X} className="mt-2" onClick={() => setIsPlaying(false)}>
            Close
          </Button>
        </div>
      )}
      {isEditing && (
        <Suspense>
          <EditLink scene={scene} onClose={() => setIsEditing(false)} />
        </Suspense>
      )}
    </article>
  );
});

interface SceneTitleProps {
  scene: Scene;
  title: string;
  duplicateOf: number | undefined;
}

function SceneTitle({ scene, title, duplicateOf }: SceneTitleProps) {
  const { projectId } = useParams({ strict: false });
  const link = scene.media?.source_url;
  const stored = scene.media?.original;
  return (
    <>
      <h2 className="truncate font-medium leading-6" title={title}>
        <Link
          to="/projects/$projectId/scenes/$sceneId"
          params={{ projectId: projectId ?? scene.project_id, sceneId: scene.id }}
          className="rounded hover:underline"
        >
          <bdi>{title}</bdi>
        </Link>
      </h2>
      <p className="flex min-h-5 flex-wrap items-center gap-x-2 text-muted text-xs leading-5">
        {link && <bdi className="max-w-full truncate">{hostOf(link)}</bdi>}
        {stored && <span className="tabular-nums">{formatBytes(stored.bytes)}</span>}
        {scene.media?.probe?.height && (
          <span className="tabular-nums">
            {scene.media.probe.width} × {scene.media.probe.height}
          </span>
        )}
        {duplicateOf !== undefined && (
          <span className="rounded-full bg-warn-soft px-2 font-medium text-warn">Same link as scene {duplicateOf}</span>
        )}
      </p>
    </>
  );
}
