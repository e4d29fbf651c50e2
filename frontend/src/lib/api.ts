/** The door to the API: typed calls, and its problem documents as errors. */
import createClient from "openapi-fetch";
import type { components, paths } from "@/client/schema";
import { noteServerTime } from "./clock";

type Schemas = components["schemas"];
export type Project = Schemas["Project"];
export type ProjectSummary = Schemas["ProjectSummary"];
export type ProjectWithScenes = Schemas["ProjectWithScenes"];
export type Scene = Schemas["Scene"];
export type Media = Schemas["Media"];
export type Status = Schemas["Status"];
export type Attempt = Schemas["Attempt"];
export type Probe = Schemas["Probe"];
export type Failure = Schemas["Failure"];
export type Monitor = Schemas["Monitor"];
export type SetupCheck = Schemas["SetupCheck"];
export type Session = Schemas["Session"];
export type Deletion = Schemas["Deletion"];
type Problem = Schemas["Problem"];

export const API_PREFIX = "/api/v1";

/** Why a request was refused or did not get through, in words for a person. */
export class ApiError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly status: number;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "detail" in value;
}

function errorOf(status: number, body: unknown): ApiError {
  if (isProblem(body)) return new ApiError(status, body.code, body.detail, body.hint);
  return new ApiError(status, "http.unknown", `The server answered with status ${status}.`, "Try again in a moment.");
}

export function inWords(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(0, "network", "The server could not be reached.", "Check that Takeup runs, then try again.");
}

/** Called late, so that whoever replaces `fetch` (a test, a browser's extension) is respected. */
export const client = createClient<paths>({ baseUrl: location.origin, fetch: (request) => globalThis.fetch(request) });

let noteSignedOut = () => {};

/** Have this called whenever a request is refused for want of a key: none was shown, or it has ended. */
export function onSignedOut(listener: () => void): void {
  noteSignedOut = listener;
}

client.use({
  onResponse({ response }) {
    noteServerTime(response.headers.get("Date"));
    if (response.status === 401) noteSignedOut();
  },
});

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/** The answer's data. Throws an `ApiError`. */
export async function ask<Data>(request: Promise<Answer<Data>>): Promise<Data> {
  let answer: Answer<Data>;
  try {
    answer = await request;
  } catch (error) {
    throw inWords(error);
  }
  if (!answer.response.ok || answer.data === undefined) throw errorOf(answer.response.status, answer.error);
  return answer.data;
}

export function eventsUrl(projectId: string): string {
  return `${API_PREFIX}/projects/${projectId}/events`;
}

type Still = ProjectSummary["stills"][number];

export function contentUrl({ id, media }: Scene, variant: "original" | "poster", download = false): string {
  return urlOf({ scene_id: id, generation: media?.generation ?? 0 }, variant, download ? { download: "true" } : {});
}

export function posterUrl(still: Still): string {
  return urlOf(still, "poster");
}

/** `generation` makes the address of a replaced file a new one, so that no cache shows the old. */
function urlOf({ scene_id, generation }: Still, variant: string, more: Record<string, string> = {}): string {
  const query = new URLSearchParams({ variant, generation: String(generation), ...more });
  return `${API_PREFIX}/media/${scene_id}/content?${query}`;
}
