import { Link2, Plus } from "lucide-react";
import { type ClipboardEvent, type KeyboardEvent, useId, useMemo } from "react";
import { plural } from "@/lib/format";
import { parseLinks } from "@/lib/links";
import { Button } from "./Button";
import { cx } from "./cx";
import { LinkReport } from "./LinkReport";
import type { LinkIntake } from "./use-link-intake";
import { usePagePaste } from "./use-page-paste";

interface LinkBoxProps {
  intake: LinkIntake;
  isLarge?: boolean;
}

/** Where links are pasted or typed; the whole page takes them too. */
export function LinkBox({ intake, isLarge = false }: LinkBoxProps) {
  const id = useId();
  const { text, setText, take } = intake;
  const isOver = usePagePaste((pasted) => void take(pasted, text));
  const count = useMemo(() => parseLinks(text).links.length, [text]);

  const onPaste = (event: ClipboardEvent<HTMLTextAreaElement>) => {
    const pasted = event.clipboardData.getData("text/plain");
    if (text.trim() || parseLinks(pasted).links.length === 0) return;
    event.preventDefault();
    void take(pasted);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    const isOneLine = !text.includes("\n") && !event.shiftKey;
    if (event.key !== "Enter" || event.nativeEvent.isComposing || !(isOneLine || event.ctrlKey || event.metaKey))
      return;
    event.preventDefault();
    if (text.trim()) void take(text);
  };

  return (
    <div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void take(text);
        }}
        className={cx(
          "flex items-end gap-2 rounded-2xl border bg-surface p-2 shadow-card transition-colors focus-within:border-accent",
          isOver ? "border-accent border-dashed bg-accent-soft" : "border-line",
        )}
      >
        <label htmlFor={id} className="sr-only">
          Links
        </label>
        <Link2 aria-hidden className={cx("ml-2 size-5 shrink-0 text-muted", isLarge ? "mb-3" : "mb-2")} />
        <textarea
          id={id}
          value={text}
          rows={1}
          dir="auto"
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
          onPaste={onPaste}
          onKeyDown={onKeyDown}
          placeholder={isOver ? "Drop them: one scene for each link" : "Paste links"}
          className={cx(
            "field-sizing-content max-h-60 min-w-0 flex-1 resize-none bg-transparent px-1 placeholder:text-muted focus:outline-none",
            isLarge ? "py-2.5 text-lg" : "py-1.5",
          )}
        />
        <Button type="submit" look="primary" icon={Plus} disabled={!text.trim()} className={isLarge ? "h-12 px-5" : ""}>
          {count > 1 ? `Add ${plural(count, "scene")}` : "Add"}
        </Button>
      </form>
      <LinkReport report={intake.report} onDismiss={intake.dismiss} />
    </div>
  );
}
