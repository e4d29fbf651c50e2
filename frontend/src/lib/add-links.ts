/** New scenes from links: in chunks that the API takes, in order; a link that it refuses does not hold up the others. */
import { ApiError, ask, client, type Scene } from "./api";
import type { Rejected } from "./links";

const CHUNK = 200;

export interface Added {
  scenes: Scene[];
  rejected: Rejected[];
}

async function addChunk(projectId: string, urls: string[]): Promise<Added> {
  try {
    const { items } = await ask(
      client.POST("/api/v1/projects/{project_id}/scenes/batch", {
        params: { path: { project_id: projectId } },
        body: { urls },
      }),
    );
    return { scenes: items, rejected: [] };
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "link.invalid") throw error;
    const [only] = urls;
    if (urls.length === 1 && only !== undefined)
      return { scenes: [], rejected: [{ line: only, reason: error.message }] };
    // The answer names one bad link of perhaps many: halves find them all, and keep the order.
    const middle = Math.ceil(urls.length / 2);
    const first = await addChunk(projectId, urls.slice(0, middle));
    const second = await addChunk(projectId, urls.slice(middle));
    return { scenes: [...first.scenes, ...second.scenes], rejected: [...first.rejected, ...second.rejected] };
  }
}

/**
 * Add a scene for each link, at the end. `onAdded` hears of each chunk as it is there. Throws an `ApiError` where a
 * chunk did not get through; those before it are added.
 */
export async function addLinks(
  projectId: string,
  links: readonly string[],
  onAdded: (scenes: Scene[]) => void,
): Promise<Rejected[]> {
  const rejected: Rejected[] = [];
  for (let start = 0; start < links.length; start += CHUNK) {
    const added = await addChunk(projectId, links.slice(start, start + CHUNK));
    onAdded(added.scenes);
    rejected.push(...added.rejected);
  }
  return rejected;
}
