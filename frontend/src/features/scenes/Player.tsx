import { contentUrl, type Scene } from "@/lib/api";
import { titleOf } from "@/lib/media";

/** What was stored, played from the bucket. Its frame has the medium's proportions before the first byte is there. */
export function Player({ scene, autoPlay }: { scene: Scene; autoPlay: boolean }) {
  const probe = scene.media?.probe;
  if (!probe) return null;
  const source = contentUrl(scene, "original");
  const ratio = probe.width && probe.height ? { aspectRatio: `${probe.width} / ${probe.height}` } : undefined;
  const frame = "max-h-[70dvh] max-w-full rounded-xl bg-black object-contain";
  if (probe.kind === "image") {
    return <img src={source} alt={titleOf(scene)} className={`${frame} mx-auto`} style={ratio} />;
  }
  if (probe.kind === "audio") {
    // biome-ignore lint/a11y/useMediaCaption: a stranger's recording comes without captions
    return <audio src={source} controls autoPlay={autoPlay} aria-label={titleOf(scene)} className="w-full" />;
  }
  return (
    // biome-ignore lint/a11y/useMediaCaption: a stranger's film comes without captions
    <video
      src={source}
      poster={scene.media?.poster ? contentUrl(scene, "poster") : undefined}
      controls
      autoPlay={autoPlay}
      playsInline
      aria-label={titleOf(scene)}
      className={`${frame} w-full`}
      style={ratio}
    />
  );
}
