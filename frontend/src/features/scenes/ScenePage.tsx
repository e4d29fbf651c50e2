import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { ChevronLeft, Download, ExternalLink, RefreshCw, Trash2 } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { Button, buttonLook } from "@/components/Button";
import { CopyButton } from "@/components/CopyButton";
import { EmptyPage } from "@/components/EmptyPage";
import { contentUrl, type Scene } from "@/lib/api";
import { hostOf } from "@/lib/links";
import { canRetry, isInFlight, titleOf } from "@/lib/media";
import { AttemptTimeline } from "./AttemptTimeline";
import { MediaFacts } from "./MediaFacts";
import { Player } from "./Player";
import { ProjectNotices } from "./ProjectNotices";
import { useActions, useProject } from "./ProjectProvider";
import { SceneFailure } from "./SceneFailure";
import { SceneState } from "./SceneState";
import { SceneText } from "./SceneText";

const EditLink = lazy(() => import("./EditLink"));

export default function ScenePage() {
  const { projectId, sceneId } = useParams({ from: "/projects/$projectId/scenes/$sceneId" });
  const { state, scenes } = useProject();
  const index = scenes.findIndex((scene) => scene.id === sceneId);
  const scene = scenes[index];
  const title = scene ? titleOf(scene) : "Scene";
  useEffect(() => {
    document.title = `${title} - Takeup`;
  }, [title]);

  const back = { to: "/projects/$projectId", params: { projectId } } as const;
  if (!scene) {
    return (
      <EmptyPage
        title="There is no such scene"
        actions={
          <Link {...back} className={buttonLook("primary")}>
            Back to the project
          </Link>
        }
      >
        It may have been removed.
      </EmptyPage>
    );
  }
  return (
    <>
      <Link {...back} className="-ml-1 inline-flex items-center gap-1 rounded text-muted text-sm hover:text-ink">
        <ChevronLeft aria-hidden className="size-4" />
        <bdi>{state.currentProject?.title}</bdi>
      </Link>
      <p className="mt-4 text-muted text-sm">
        Scene {index + 1} of {scenes.length}
      </p>
      <h1 className="break-words font-semibold text-2xl tracking-tight">
        <bdi>{title}</bdi>
      </h1>
      <ProjectNotices />
      <div className="mt-6 grid gap-8 lg:grid-cols-[3fr_2fr]">
        <SceneMain scene={scene} />
        <div className="grid content-start gap-8">
          <MediaFacts scene={scene} />
          {scene.media && <AttemptTimeline scene={scene} media={scene.media} />}
        </div>
      </div>
    </>
  );
}

function SceneMain({ scene }: { scene: Scene }) {
  const { retry, cancel, remove } = useActions();
  const navigate = useNavigate();
  const [isEditing, setIsEditing] = useState(false);
  const media = scene.media;
  const isReady = media?.status === "ready";
  const onRemove = () => {
    void remove([scene.id]);
    void navigate({ to: "/projects/$projectId", params: { projectId: scene.project_id } });
  };
  const onRetry = () => void retry([scene.id]);
  return (
    <div className="min-w-0">
      {isReady && <Player scene={scene} autoPlay={false} />}
      <div className="mt-4 rounded-2xl border border-line bg-surface p-4">
        <SceneState scene={scene} />
        {media?.status === "failed" && media.error && (
          <SceneFailure
            scene={scene}
            failure={media.error}
            onRetry={onRetry}
            onEditLink={() => setIsEditing(true)}
            onRemove={onRemove}
          />
        )}
        <div className="mt-3">
          <SceneText scene={scene} />
        </div>
        <div className="mt-4 flex flex-wrap gap-2">
          {isReady && (
            <>
              <a href={contentUrl(scene, "original", true)} className={buttonLook("primary")}>
                <Download aria-hidden className="size-4" />
                Download
              </a>
              <CopyButton label="Copy link" text={new URL(contentUrl(scene, "original"), location.href).href} />
            </>
          )}
          {media?.source_url && (
            <a href={media.source_url} target="_blank" rel="noreferrer noopener" className={buttonLook()}>
              <ExternalLink aria-hidden className="size-4" />
              Open source on {hostOf(media.source_url)}
            </a>
          )}
          {canRetry(scene) && media?.status !== "failed" && (
            <Button icon={RefreshCw} onClick={onRetry}>
              Retry
            </Button>
          )}
          {isInFlight(scene) && <Button onClick={() => void cancel([scene.id])}>Cancel</Button>}
          {media?.status !== "failed" && (
            <>
              <Button onClick={() => setIsEditing(true)}>{media?.source_url ? "Edit link" : "Add a link"}</Button>
              <Button look="danger" icon={Trash2} onClick={onRemove}>
                Remove
              </Button>
            </>
          )}
        </div>
      </div>
      {isEditing && (
        <Suspense>
          <EditLink scene={scene} onClose={() => setIsEditing(false)} />
        </Suspense>
      )}
    </div>
  );
}
