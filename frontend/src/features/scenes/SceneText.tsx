import { useId } from "react";
import { Button } from "@/components/Button";
import { cx } from "@/components/cx";
import { Notice } from "@/components/Notice";
import type { Scene } from "@/lib/api";
import { titleOf } from "@/lib/media";
import { useSceneText } from "./use-scene-text";

const MAX_LENGTH = 20_000; // as the API has it

/** The words of the scene: written in place, stored when the field is left. */
export function SceneText({ scene }: { scene: Scene }) {
  const id = useId();
  const { draft, setDraft, begin, save, isSaving, theirs, keepMine, takeTheirs, error } = useSceneText(scene);
  return (
    <div>
      <label htmlFor={id} className="sr-only">
        Text of {titleOf(scene)}
      </label>
      <textarea
        id={id}
        dir="auto"
        rows={1}
        value={draft}
        maxLength={MAX_LENGTH}
        placeholder="Add text"
        onFocus={begin}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => void save()}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.blur();
        }}
        className={cx(
          "field-sizing-content -mx-2 block max-h-80 w-[calc(100%+1rem)] resize-none rounded-lg border border-transparent bg-transparent px-2 py-1 text-sm transition-colors",
          "placeholder:text-muted hover:border-line focus:border-line focus:bg-surface",
          isSaving && "opacity-60",
        )}
      />
      {theirs !== null && (
        <div className="mt-2">
          <Notice
            tone="warn"
            role="alert"
            title="Somebody else has changed this text meanwhile:"
            actions={
              <>
                <Button onClick={() => void keepMine()}>Keep mine</Button>
                <Button look="quiet" onClick={takeTheirs}>
                  Take theirs
                </Button>
              </>
            }
          >
            <blockquote
              dir="auto"
              className="mt-1 max-h-40 overflow-y-auto whitespace-pre-wrap border-warn/40 border-l-2 pl-3"
            >
              {theirs || "(no text)"}
            </blockquote>
          </Notice>
        </div>
      )}
      {error && (
        <div className="mt-2">
          <Notice
            tone="bad"
            role="alert"
            title={`The text is not stored yet. ${error.message}`}
            actions={<Button onClick={() => void save()}>Try again</Button>}
          >
            {error.hint}
          </Notice>
        </div>
      )}
    </div>
  );
}
