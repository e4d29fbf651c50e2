/**
 * The storage trigger: one `POST /media/store` for each scene and link.
 *
 * What was asked for belongs to the module and not to a component, because a component is mounted twice under StrictMode and again
 * whenever somebody comes back to the page. `localStorage` tells other tabs, and this one after a reload, what is being
 * asked already; the server is idempotent besides.
 */
import { ask, client, type Scene } from "./api";
import { inPool } from "./pool";

const asked = new Set<string>();
const CLAIM_MS = 20_000;
const CLAIM_PREFIX = "takeup.store.";

/** A link that was replaced and set again is another generation, and asked for again. */
function keyOf(scene: Scene): string {
  return `${scene.id} ${scene.media?.generation ?? 0} ${scene.media?.source_url ?? ""}`;
}

function claimKey(scene: Scene): string {
  return `${CLAIM_PREFIX}${scene.id}.${scene.media?.generation ?? 0}`;
}

/** Whether it is this tab's to ask: a claim of another tab, or of this one before a reload, counts for a while. */
function claim(scene: Scene): boolean {
  try {
    const name = claimKey(scene);
    const since = Number(localStorage.getItem(name) ?? 0);
    if (Date.now() - since < CLAIM_MS) return false;
    localStorage.setItem(name, String(Date.now()));
    return true;
  } catch {
    return true;
  }
}

function release(scene: Scene): void {
  try {
    localStorage.removeItem(claimKey(scene));
  } catch {
    // Storage is blocked: there was no claim.
  }
}

/** Forget what other tabs left behind, so that the claims of a thousand scenes do not pile up. */
function forgetOldClaims(): void {
  try {
    const old = Object.keys(localStorage).filter(
      (name) => name.startsWith(CLAIM_PREFIX) && Date.now() - Number(localStorage.getItem(name)) > CLAIM_MS,
    );
    for (const name of old) localStorage.removeItem(name);
  } catch {
    // Storage is blocked.
  }
}
forgetOldClaims();

export function needsStorage(scene: Scene): boolean {
  return scene.media?.status === "pending" && Boolean(scene.media.source_url);
}

/**
 * Ask for the storage of these scenes' links, each once; how many requests failed. Those may be made again.
 *
 * All are claimed before the first is asked for, so that another tab, which sees the new scenes at the same moment,
 * leaves them alone.
 */
export async function requestStorage(scenes: readonly Scene[]): Promise<number> {
  const mine = scenes.filter((scene) => needsStorage(scene) && !asked.has(keyOf(scene)) && claim(scene));
  let failed = 0;
  const keys = new Map(mine.map((scene) => [scene, keyOf(scene)]));
  for (const key of keys.values()) asked.add(key);
  await inPool(mine, async (scene) => {
    try {
      await post(scene);
    } catch {
      failed += 1;
      asked.delete(keys.get(scene) ?? "");
      release(scene);
    }
  });
  return failed;
}

async function post(scene: Scene): Promise<void> {
  await ask(
    client.POST("/api/v1/media/store", { body: { project_id: scene.project_id, scene_id: scene.id, force: false } }),
  );
}
