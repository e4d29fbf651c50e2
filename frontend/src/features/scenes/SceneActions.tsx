import { Ban, Check, Copy, Download, RotateCcw } from "lucide-react";
import { Button, buttonLook, IconButton } from "@/components/Button";
import { useCopied } from "@/components/CopyButton";
import { contentUrl, type Scene } from "@/lib/api";
import { groupOf, isInFlight, titleOf } from "@/lib/media";

interface SceneActionsProps {
  scene: Scene;
  onRetry: () => void;
  onCancel: () => void;
}

/** What is asked for most in a scene's state, within one click; the menu has the rest. */
export function SceneActions({ scene, onRetry, onCancel }: SceneActionsProps) {
  const [copied, copy] = useCopied();
  const title = titleOf(scene);
  const status = scene.media?.status;
  if (status === "ready") {
    return (
      <>
        <IconButton
          icon={copied === "copied" ? Check : Copy}
          label={copied === "copied" ? "Copied" : `Copy link of ${title}`}
          onClick={() => copy(new URL(contentUrl(scene, "original"), location.href).href)}
        />
        <a
          href={contentUrl(scene, "original", true)}
          aria-label={`Download ${title}`}
          title={`Download ${title}`}
          className={buttonLook("quiet", true)}
        >
          <Download aria-hidden className="size-4" />
        </a>
      </>
    );
  }
  return (
    <>
      {(status === "retrying" || groupOf(scene) === "canceled") && (
        <Button
          look="quiet"
          icon={RotateCcw}
          aria-label={`${status === "retrying" ? "Try now" : "Retry"}: ${title}`}
          onClick={onRetry}
        >
          {status === "retrying" ? "Try now" : "Retry"}
        </Button>
      )}
      {isInFlight(scene) && <IconButton icon={Ban} label={`Cancel ${title}`} onClick={onCancel} />}
    </>
  );
}
