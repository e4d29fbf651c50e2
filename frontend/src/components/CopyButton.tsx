import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { copyText } from "@/lib/clipboard";
import { Button } from "./Button";

/** Says itself whether it worked; where even the old way is forbidden, the text is there to be selected. */
export function useCopied(): [state: "idle" | "copied" | "refused", copy: (text: string) => void] {
  const [state, setState] = useState<"idle" | "copied" | "refused">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = window.setTimeout(() => setState("idle"), 2500);
    return () => window.clearTimeout(timer);
  }, [state]);
  return [state, (text) => void copyText(text).then((copied) => setState(copied ? "copied" : "refused"))];
}

export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [state, copy] = useCopied();
  return (
    <Button look="plain" icon={state === "copied" ? Check : Copy} onClick={() => copy(text)}>
      <span aria-live="polite">
        {state === "copied" ? "Copied" : state === "refused" ? "Select it to copy" : label}
      </span>
    </Button>
  );
}
