/** Scenes as the API sends them, for tests. */
import type { Media, Scene, Status } from "@/lib/api";

export const PROJECT_ID = "019a7c1e-5c3a-7b3e-9f0a-000000000001";

export function mediaWith(status: Status, more: Partial<Media> = {}): Media {
  return {
    source_url: "https://example.com/clip.mp4",
    generation: 1,
    status,
    attempt: 0,
    max_attempts: 5,
    ...more,
  };
}

export function sceneWith(id: string, status: Status, more: Partial<Scene> = {}): Scene {
  return {
    id,
    project_id: PROJECT_ID,
    position: id,
    text: "",
    version: 1,
    media: mediaWith(status, { source_url: `https://example.com/${id}.mp4` }),
    created_at: "2026-11-22T12:00:00Z",
    updated_at: "2026-11-22T12:00:00Z",
    ...more,
  };
}
