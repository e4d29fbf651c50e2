import { type FormEvent, useId, useState } from "react";
import { inWords } from "@/lib/api";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

interface TitleDialogProps {
  heading: string;
  title?: string;
  submit: string;
  onSubmit: (title: string) => Promise<unknown>;
  onClose: () => void;
}

/** Asks for a project's title. */
export default function TitleDialog({ heading, title = "", submit, onSubmit, onClose }: TitleDialogProps) {
  const id = useId();
  const [value, setValue] = useState(title);
  const [error, setError] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    setIsBusy(true);
    try {
      await onSubmit(value.trim());
      onClose();
    } catch (failure) {
      const { message, hint } = inWords(failure);
      setError(`${message} ${hint}`);
      setIsBusy(false);
    }
  };
  return (
    <Dialog isOpen title={heading} onClose={onClose}>
      <form onSubmit={(event) => void save(event)}>
        <label htmlFor={id} className="mb-1.5 block font-medium text-sm">
          Title
        </label>
        <input
          id={id}
          dir="auto"
          value={value}
          maxLength={200}
          onChange={(event) => setValue(event.target.value)}
          className="w-full rounded-lg border border-line-strong bg-canvas px-3 py-2"
        />
        {error && (
          <p role="alert" className="mt-2 text-bad text-sm">
            {error}
          </p>
        )}
        <div className="mt-5 flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="primary" disabled={isBusy || !value.trim()}>
            {submit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
