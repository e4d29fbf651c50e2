import { ArrowDown, ArrowUp, Ban, Copy, ExternalLink, Link2, Pencil, RotateCcw, Trash2 } from "lucide-react";
import { useCopied } from "@/components/CopyButton";
import { Menu, type MenuEntry } from "@/components/Menu";
import { contentUrl, type Scene } from "@/lib/api";
import { canRetry, isInFlight, titleOf } from "@/lib/media";

export interface Places {
  /** The scene behind which it goes by one step up or down; null is the beginning, undefined no such step. */
  up: string | null | undefined;
  down: string | undefined;
}

interface SceneMenuProps {
  scene: Scene;
  places: Places;
  onMove: (after: string | null) => void;
  onRetry: () => void;
  onCancel: () => void;
  onEditLink: () => void;
  onRemove: () => void;
}

export function SceneMenu({ scene, places, onMove, onRetry, onCancel, onEditLink, onRemove }: SceneMenuProps) {
  const [copied, copy] = useCopied();
  const source = scene.media?.source_url;
  const isStored = scene.media?.status === "ready";
  const { up, down } = places;
  const items: MenuEntry[] = [
    { icon: ArrowUp, text: "Move up", isDisabled: up === undefined, onSelect: () => up !== undefined && onMove(up) },
    {
      icon: ArrowDown,
      text: "Move down",
      isDisabled: down === undefined,
      onSelect: () => down !== undefined && onMove(down),
    },
    "line",
    source && { icon: ExternalLink, text: "Open source", href: source },
    source && { icon: Copy, text: "Copy source link", onSelect: () => copy(source) },
    isStored && {
      icon: Link2,
      text: "Copy link to the file",
      onSelect: () => copy(new URL(contentUrl(scene, "original"), location.href).href),
    },
    { icon: Pencil, text: source ? "Edit link" : "Add a link", onSelect: onEditLink },
    canRetry(scene) && {
      icon: RotateCcw,
      text: scene.media?.status === "retrying" ? "Try now" : "Retry",
      onSelect: onRetry,
    },
    isInFlight(scene) && { icon: Ban, text: "Cancel", onSelect: onCancel },
    "line",
    { icon: Trash2, text: "Remove", isDangerous: true, onSelect: onRemove },
  ];
  return (
    <>
      <Menu label={`More for ${titleOf(scene)}`} items={items} />
      <span role="status" className="sr-only">
        {copied === "copied" ? "Link copied" : copied === "refused" ? "The browser forbids copying" : ""}
      </span>
    </>
  );
}
