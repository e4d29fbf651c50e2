/** Whether the set-up works: what the server finds, and whether this browser reaches the bucket. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ask, client, type SetupCheck } from "@/lib/api";

const LOOK_MS = 4000;
const PICTURE_MS = 10_000;

export interface SetupView {
  /** Null until the server has told. */
  checks: readonly SetupCheck[] | null;
  sampleUrl: string | null;
  error: Error | null;
  isLooking: boolean;
  lookAgain: () => void;
}

export function useSetup(): SetupView {
  const [picture, setPicture] = useState<Picture>("loading");
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["setup"],
    queryFn: () => ask(client.GET("/api/v1/setup")),
    refetchInterval: ({ state }) =>
      picture === "refused" || !state.data?.checks.every(({ ok }) => ok) ? LOOK_MS : false,
  });
  const url = data?.picture_url ?? null;
  useEffect(() => (url === null ? undefined : tryPicture(url, setPicture)), [url]);
  return {
    checks: data ? [...data.checks, ...(url === null ? [] : [browserCheck(picture, url)])] : null,
    sampleUrl: data?.sample_url ?? null,
    error,
    isLooking: isFetching,
    lookAgain: () => void refetch(),
  };
}

export type Picture = "loading" | "loaded" | "refused";

/** Load the picture, and tell whether that went well; what this returns ends the trial. */
function tryPicture(url: string, tell: (outcome: Picture) => void): () => void {
  const image = new Image();
  const end = () => {
    window.clearTimeout(timer);
    image.onload = image.onerror = null;
  };
  const settle = (outcome: Picture) => {
    end();
    tell(outcome);
  };
  const timer = window.setTimeout(() => settle("refused"), PICTURE_MS);
  image.onload = () => settle("loaded");
  image.onerror = () => settle("refused");
  image.src = url;
  return end;
}

export function browserCheck(picture: Picture, url: string): SetupCheck {
  const name = "browser";
  if (picture === "loaded") return { name, ok: true, seen: "Your browser reaches the bucket.", remedy: "" };
  if (picture === "loading") return { name, ok: false, seen: "Loading a picture from the bucket.", remedy: "" };
  const remedy = `Stored media is played from ${new URL(url).origin}: see that S3_ENDPOINT_URL is an address that browsers reach, over https where the page is.`;
  return { name, ok: false, seen: "Your browser does not reach the bucket.", remedy };
}
