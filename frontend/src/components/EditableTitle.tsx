import { Pencil } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { inWords } from "@/lib/api";
import { IconButton } from "./Button";

interface EditableTitleProps {
  title: string;
  onRename: (title: string) => Promise<unknown>;
}

const MAX_LENGTH = 200; // as the API has it

/** A page's heading that can be written over. Enter or leaving stores it, Escape leaves it as it was. */
export function EditableTitle({ title, onRename }: EditableTitleProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const [error, setError] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const isEditing = draft !== null;
  useEffect(() => {
    if (isEditing) field.current?.select();
  }, [isEditing]);

  const save = async (event?: FormEvent) => {
    event?.preventDefault();
    const next = (draft ?? "").trim();
    try {
      if (next && next !== title) await onRename(next);
      setDraft(null);
      setError("");
    } catch (failure) {
      setError(`Not renamed yet. ${inWords(failure).message}`);
    }
  };

  if (!isEditing) {
    return (
      <div className="flex min-w-0 items-center gap-1">
        <h1 dir="auto" className="min-w-0 break-words py-1 font-semibold text-2xl tracking-tight">
          {title}
        </h1>
        <IconButton icon={Pencil} label="Rename the project" onClick={() => setDraft(title)} />
      </div>
    );
  }
  return (
    <form onSubmit={(event) => void save(event)} className="min-w-0 flex-1">
      <h1 className="sr-only">{title}</h1>
      <input
        ref={field}
        aria-label="Title of the project"
        dir="auto"
        value={draft}
        maxLength={MAX_LENGTH}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => void save()}
        onKeyDown={(event) => event.key === "Escape" && setDraft(null)}
        className="-mx-2 w-full max-w-2xl rounded-lg border border-line-strong bg-surface px-2 py-1 font-semibold text-2xl tracking-tight"
      />
      {error && (
        <p role="alert" className="mt-1 text-bad text-sm">
          {error}
        </p>
      )}
    </form>
  );
}
