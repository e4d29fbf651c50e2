import { ReelMark } from "@/components/ReelMark";

/** A project without scenes says what to do. */
export function NoScenes() {
  return (
    <div className="mx-auto max-w-md py-20 text-center">
      <ReelMark className="mx-auto mb-5 size-12 text-line-strong" />
      <h2 className="font-semibold text-xl tracking-tight">No scenes yet</h2>
      <p className="mt-2 text-balance text-muted">
        Paste links anywhere on this page, or drop them here: videos, audio, pictures, or pages that hold them. Each
        becomes a scene, and is fetched and stored while you watch.
      </p>
    </div>
  );
}
