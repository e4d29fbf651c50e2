/** The text of a scene as somebody writes it, and as it is stored; two who write at once both see so. */
import { useRef, useState } from "react";
import { ApiError, inWords, type Scene } from "@/lib/api";
import { useActions } from "./ProjectProvider";

export interface SceneText {
  draft: string;
  setDraft: (text: string) => void;
  begin: () => void;
  save: () => Promise<void>;
  isSaving: boolean;
  /** What somebody else has written meanwhile, or null. */
  theirs: string | null;
  keepMine: () => Promise<void>;
  takeTheirs: () => void;
  error: ApiError | null;
}

export function useSceneText(scene: Scene): SceneText {
  const { edit, read } = useActions();
  /** Null while nothing is being written: then the stored text is shown. */
  const [draft, setDraft] = useState<string | null>(null);
  const [theirs, setTheirs] = useState<Scene | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isSaving, setIsSaving] = useState(false);
  /** The version that the writing began from. */
  const base = useRef(scene.version);

  const begin = () => {
    if (draft !== null) return;
    base.current = scene.version;
    setDraft(scene.text);
  };

  const store = async (text: string, version: number) => {
    setIsSaving(true);
    setError(null);
    try {
      const stored = await edit(scene, { text }, version);
      base.current = stored.version;
      setTheirs(null);
      setDraft((now) => (now === text ? null : now));
    } catch (failure) {
      if (failure instanceof ApiError && failure.status === 412) await conflict();
      else setError(inWords(failure));
    } finally {
      setIsSaving(false);
    }
  };

  const conflict = async () => {
    try {
      setTheirs(await read(scene.id));
    } catch (failure) {
      setError(inWords(failure));
    }
  };

  const save = async () => {
    if (draft === null || theirs) return;
    if (draft === scene.text) setDraft(null);
    else await store(draft, base.current);
  };

  return {
    draft: draft ?? scene.text,
    setDraft: (text) => {
      begin();
      setDraft(text);
    },
    begin,
    save,
    isSaving,
    theirs: theirs?.text ?? null,
    keepMine: async () => {
      if (theirs && draft !== null) await store(draft, theirs.version);
    },
    takeTheirs: () => {
      setTheirs(null);
      setDraft(null);
    },
    error,
  };
}
