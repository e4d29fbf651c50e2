import { type FormEvent, useId, useRef, useState } from "react";
import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";
import { type ApiError, inWords, type Scene } from "@/lib/api";
import { parseLinks } from "@/lib/links";
import { useActions } from "./ProjectProvider";

interface EditLinkProps {
  scene: Scene;
  onClose: () => void;
}

/** Give a scene another link; its storage begins at once. */
export default function EditLink({ scene, onClose }: EditLinkProps) {
  const id = useId();
  const { edit, read, retry } = useActions();
  const before = scene.media?.source_url ?? "";
  const base = useRef(scene.version);
  const [value, setValue] = useState(before);
  const [error, setError] = useState<Pick<ApiError, "message" | "hint"> | null>(null);
  const [isSaving, setIsSaving] = useState(false);

  const save = async (event: FormEvent) => {
    event.preventDefault();
    const { links, rejected } = parseLinks(value);
    const [link] = links;
    if (!link || links.length > 1) {
      const reason = links.length > 1 ? "A scene has one link" : (rejected[0]?.reason ?? "There is no link");
      setError({ message: `${reason}.`, hint: "Use a full address that begins with http:// or https://." });
      return;
    }
    setIsSaving(true);
    try {
      if (link === before) await retry([scene.id]);
      else await edit(scene, { source_url: link }, base.current);
      onClose();
    } catch (failure) {
      setError(inWords(failure));
      const latest = await read(scene.id).catch(() => scene);
      base.current = latest.version;
    } finally {
      setIsSaving(false);
    }
  };

  return (
    <Dialog
      isOpen
      title="Edit link"
      description="The new link is fetched at once, in place of the old."
      onClose={onClose}
    >
      <form onSubmit={(event) => void save(event)}>
        <label htmlFor={id} className="mb-1.5 block font-medium text-sm">
          Link
        </label>
        <textarea
          id={id}
          rows={3}
          value={value}
          spellCheck={false}
          aria-invalid={error !== null}
          aria-describedby={error ? `${id}-error` : undefined}
          onChange={(event) => setValue(event.target.value)}
          className="w-full break-all rounded-lg border border-line-strong bg-canvas px-3 py-2 text-sm"
        />
        {error && (
          <p id={`${id}-error`} role="alert" className="mt-2 text-bad text-sm">
            {error.message} <span className="text-muted">{error.hint}</span>
          </p>
        )}
        <div className="mt-5 flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Keep the old one
          </Button>
          <Button type="submit" look="primary" disabled={isSaving}>
            Store
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
