/** Paste and drop anywhere on the page: text that lands in no field of its own is taken as links. */
import { useEffect, useRef, useState } from "react";

function isEditable(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable=true]") !== null;
}

function droppedText(data: DataTransfer): string {
  // A list of links may hold comments, which begin with a hash.
  const list = data
    .getData("text/uri-list")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"));
  return list.join("\n").trim() || data.getData("text/plain");
}

/** Whether something that can be dropped is over the page. */
export function usePagePaste(take: (text: string) => void): boolean {
  const [isOver, setIsOver] = useState(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    let depth = 0;
    const holdsLinks = (event: DragEvent) =>
      event.dataTransfer !== null &&
      ["text/uri-list", "text/plain"].some((type) => event.dataTransfer?.types.includes(type)) &&
      !isEditable(event.target);
    const onPaste = (event: ClipboardEvent) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (isEditable(event.target) || document.querySelector("[role=dialog]") || !text.trim()) return;
      event.preventDefault();
      latest.current(text);
    };
    const onEnter = (event: DragEvent) => {
      if (!holdsLinks(event)) return;
      depth += 1;
      setIsOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (!holdsLinks(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setIsOver(false);
    };
    const onOver = (event: DragEvent) => {
      if (holdsLinks(event)) event.preventDefault();
    };
    const onDrop = (event: DragEvent) => {
      depth = 0;
      setIsOver(false);
      if (!holdsLinks(event) || !event.dataTransfer) return;
      event.preventDefault();
      const text = droppedText(event.dataTransfer);
      if (text.trim()) latest.current(text);
    };
    document.addEventListener("paste", onPaste);
    document.addEventListener("dragenter", onEnter);
    document.addEventListener("dragleave", onLeave);
    document.addEventListener("dragover", onOver);
    document.addEventListener("drop", onDrop);
    return () => {
      document.removeEventListener("paste", onPaste);
      document.removeEventListener("dragenter", onEnter);
      document.removeEventListener("dragleave", onLeave);
      document.removeEventListener("dragover", onOver);
      document.removeEventListener("drop", onDrop);
    };
  }, []);
  return isOver;
}
