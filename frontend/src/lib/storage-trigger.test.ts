import { beforeEach, expect, test, vi } from "vitest";
import { mediaWith, sceneWith } from "@/test-scenes";

let posted: string[];
let answer: () => Promise<Response>;

beforeEach(() => {
  posted = [];
  answer = async () => new Response("{}", { status: 202, headers: { "Content-Type": "application/json" } });
  vi.stubGlobal("fetch", async (request: Request) => {
    const { scene_id: sceneId } = await request.json();
    posted.push(sceneId);
    return answer();
  });
  vi.resetModules();
});

/** The trigger as a page has it that was just loaded: another tab, or the same one after a reload. */
async function freshTab() {
  vi.resetModules();
  return import("./storage-trigger");
}

test("each scene and link is asked for once, however often it is reconciled", async () => {
  const { requestStorage } = await freshTab();
  const scenes = [sceneWith("a", "pending"), sceneWith("b", "pending")];
  await Promise.all([requestStorage(scenes), requestStorage(scenes)]);
  await requestStorage(scenes);
  expect(posted).toEqual(["a", "b"]);
});

test("only a pending scene with a link is asked for", async () => {
  const { requestStorage } = await freshTab();
  await requestStorage([sceneWith("a", "queued"), sceneWith("b", "ready"), sceneWith("c", "pending", { media: null })]);
  expect(posted).toEqual([]);
});

test("another link of the same scene is asked for, also one that it had before", async () => {
  const { requestStorage } = await freshTab();
  for (const [generation, link] of [
    [1, "a"],
    [2, "b"],
    [3, "a"],
  ] as const) {
    const media = mediaWith("pending", { generation, source_url: `https://example.com/${link}` });
    await requestStorage([sceneWith("s", "pending", { media })]);
  }
  expect(posted).toEqual(["s", "s", "s"]);
});

test("two tabs, and a reload, ask once", async () => {
  const scenes = [sceneWith("a", "pending"), sceneWith("b", "pending")];
  const first = await freshTab();
  const second = await freshTab();
  await Promise.all([first.requestStorage(scenes), second.requestStorage(scenes)]);
  const reloaded = await freshTab();
  await reloaded.requestStorage(scenes);
  expect(posted).toEqual(["a", "b"]);
});

test("a tab that died with its claim is stood in for", async () => {
  const { requestStorage } = await freshTab();
  localStorage.setItem("takeup.store.a.1", String(Date.now() - 60_000));
  await requestStorage([sceneWith("a", "pending")]);
  expect(posted).toEqual(["a"]);
});

test("a request that did not get through is made again", async () => {
  const { requestStorage } = await freshTab();
  answer = () => Promise.reject(new TypeError("Failed to fetch"));
  expect(await requestStorage([sceneWith("a", "pending")])).toBe(1);
  answer = async () => new Response("{}", { status: 202 });
  expect(await requestStorage([sceneWith("a", "pending")])).toBe(0);
  expect(posted).toEqual(["a", "a"]);
});
