import type { Scene } from "@/lib/api";
import { formatBytes, formatDuration, formatMoment } from "@/lib/format";

const KINDS = { video: "Video", audio: "Audio", image: "Picture" };

type Fact = [name: string, value: string];

function factsOf(scene: Scene): Fact[] {
  const media = scene.media;
  const probe = media?.probe;
  const original = media?.original;
  const facts: (Fact | null)[] = [
    probe ? ["Kind", KINDS[probe.kind]] : null,
    probe?.duration_s != null ? ["Duration", formatDuration(probe.duration_s)] : null,
    probe?.width && probe.height ? ["Picture", `${probe.width} × ${probe.height} pixels`] : null,
    probe?.fps ? ["Frame rate", `${Number(probe.fps.toFixed(2))} per second`] : null,
    probe?.video_codec ? ["Video", probe.video_codec] : null,
    probe?.audio_codec ? ["Audio", probe.audio_codec] : null,
    original ? ["Size", formatBytes(original.bytes)] : null,
    original ? ["Type", original.content_type] : null,
    original ? ["Checksum", original.checksum] : null,
    media?.source_url ? ["Source", media.source_url] : null,
    media?.requested_at ? ["Asked for", formatMoment(media.requested_at)] : null,
    ["Added", formatMoment(scene.created_at)],
  ];
  return facts.filter((fact) => fact !== null);
}

/** What the stored file was found to hold. */
export function MediaFacts({ scene }: { scene: Scene }) {
  return (
    <section aria-labelledby="media-facts">
      <h2 id="media-facts" className="mb-3 font-semibold tracking-tight">
        About the file
      </h2>
      <dl className="divide-y divide-line text-sm">
        {factsOf(scene).map(([name, value]) => (
          <div key={name} className="grid grid-cols-[7rem_1fr] gap-3 py-2">
            <dt className="text-muted">{name}</dt>
            <dd className="min-w-0 break-words">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
