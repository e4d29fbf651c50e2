import { AudioLines, Clapperboard, Image, type LucideIcon, Play, Type, Video } from "lucide-react";
import { useState } from "react";
import { cx } from "@/components/cx";
import { contentUrl, type Scene } from "@/lib/api";
import { formatDuration } from "@/lib/format";
import { isInFlight, titleOf } from "@/lib/media";

const KIND_ICONS: Record<string, LucideIcon> = { video: Video, audio: AudioLines, image: Image };

interface PosterProps {
  scene: Scene;
  isPlaying: boolean;
  onPlay: () => void;
}

/** The scene's still, which plays it; a calm placeholder of the same size where there is none. */
export function Poster({ scene, isPlaying, onPlay }: PosterProps) {
  const media = scene.media;
  const isReady = media?.status === "ready";
  const verb = media?.probe?.kind === "image" ? "Show" : "Play";
  const frame = "relative block aspect-video w-full overflow-hidden rounded-xl bg-sunken";
  const content = (
    <>
      {media?.poster ? <Still scene={scene} /> : <Placeholder scene={scene} />}
      {isReady && media.probe?.kind !== "image" && !isPlaying && (
        <span className="absolute inset-0 grid place-items-center">
          <span className="grid size-10 place-items-center rounded-full bg-black/65 text-white opacity-90 transition group-hover:scale-110 group-hover:opacity-100">
            <Play aria-hidden className="ml-0.5 size-5 fill-current" />
          </span>
        </span>
      )}
    </>
  );
  if (!isReady) return <div className={frame}>{content}</div>;
  return (
    <div className="relative">
      <button
        type="button"
        aria-label={isPlaying ? `Close ${titleOf(scene)}` : `${verb} ${titleOf(scene)}`}
        aria-expanded={isPlaying}
        onClick={onPlay}
        className={cx(frame, "group")}
      >
        {content}
      </button>
      {media.probe?.duration_s != null && (
        <span className="pointer-events-none absolute right-1.5 bottom-1.5 rounded-md bg-black/75 px-1.5 text-white text-xs leading-5 tabular-nums">
          {formatDuration(media.probe.duration_s)}
        </span>
      )}
    </div>
  );
}

function Still({ scene }: { scene: Scene }) {
  const [isThere, setIsThere] = useState(false);
  return (
    <img
      src={contentUrl(scene, "poster")}
      alt=""
      loading="lazy"
      decoding="async"
      onLoad={() => setIsThere(true)}
      className={cx("size-full object-cover transition-opacity duration-300", isThere ? "opacity-100" : "opacity-0")}
    />
  );
}

function Placeholder({ scene }: { scene: Scene }) {
  const Icon = scene.media === null ? Type : (KIND_ICONS[scene.media.probe?.kind ?? ""] ?? Clapperboard);
  return (
    <span className={cx("grid size-full place-items-center text-muted/60", isInFlight(scene) && "animate-pulse")}>
      <Icon aria-hidden className="size-7" strokeWidth={1.5} />
    </span>
  );
}
