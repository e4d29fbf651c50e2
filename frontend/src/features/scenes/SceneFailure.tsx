import { Link2, RotateCcw, Trash2 } from "lucide-react";
import { Button } from "@/components/Button";
import { CopyButton } from "@/components/CopyButton";
import type { Failure, Scene } from "@/lib/api";
import { titleOf } from "@/lib/media";

/** What can be done about a code, the likeliest remedy first. */
export function remediesOf({ code, retryable }: Failure): ("retry" | "edit" | "remove")[] {
  if (retryable || code.startsWith("storage.") || code.startsWith("worker.")) return ["retry", "edit", "remove"];
  if (["content.drm", "content.too_large", "content.too_long", "media.unsafe"].includes(code))
    return ["remove", "edit"];
  return ["edit", "retry", "remove"];
}

interface SceneFailureProps {
  scene: Scene;
  failure: Failure;
  onRetry: () => void;
  onEditLink: () => void;
  onRemove: () => void;
}

export function SceneFailure({ scene, failure, onRetry, onEditLink, onRemove }: SceneFailureProps) {
  const title = titleOf(scene);
  const buttons = {
    retry: { icon: RotateCcw, text: "Retry", act: onRetry },
    edit: { icon: Link2, text: "Edit link", act: onEditLink },
    remove: { icon: Trash2, text: "Remove", act: onRemove },
  };
  return (
    <div className="text-sm">
      <p className="text-ink">{failure.message}</p>
      <p className="text-muted">{failure.hint}</p>
      <div className="mt-2.5 flex flex-wrap gap-2">
        {remediesOf(failure).map((remedy, index) => {
          const { icon, text, act } = buttons[remedy];
          return (
            <Button
              key={remedy}
              icon={icon}
              look={index === 0 ? "plain" : "quiet"}
              aria-label={`${text}: ${title}`}
              onClick={act}
            >
              {text}
            </Button>
          );
        })}
      </div>
      <FailureDetail scene={scene} failure={failure} />
    </div>
  );
}

/** All that is known, to be sent to whoever runs the server. */
export function FailureDetail({ scene, failure }: { scene: Scene; failure: Failure }) {
  const media = scene.media;
  const detail = JSON.stringify(
    {
      scene: scene.id,
      link: media?.source_url,
      status: media?.status,
      error: failure,
      attempts: media?.attempts,
    },
    null,
    2,
  );
  return (
    <details className="mt-2">
      <summary className="w-fit rounded text-muted text-xs hover:text-ink">
        Details <span className="font-mono">{failure.code}</span>
      </summary>
      <div className="mt-2 rounded-lg border border-line bg-sunken p-3">
        <pre className="mb-2 max-h-56 overflow-auto whitespace-pre-wrap break-all font-mono text-xs" tabIndex={0}>
          {detail}
        </pre>
        <CopyButton text={detail} />
      </div>
    </details>
  );
}
