import { useSortable } from "@dnd-kit/sortable";
import { CSS } from "@dnd-kit/utilities";
import { GripVertical } from "lucide-react";
import { type ComponentProps, memo, useMemo } from "react";
import { cx } from "@/components/cx";
import { titleOf } from "@/lib/media";
import { SceneCard } from "./SceneCard";

type SortableSceneProps = Omit<ComponentProps<typeof SceneCard>, "handle"> & { isSorted: boolean };

/** A card in the list, which its handle drags. Only this shell is drawn again while another one is dragged past. */
export const SortableScene = memo(function SortableScene({ isSorted, ...card }: SortableSceneProps) {
  const { id } = card.scene;
  const sortable = useSortable({ id, disabled: !isSorted, attributes: { roleDescription: "sortable scene" } });
  const { setNodeRef, setActivatorNodeRef, listeners, transform, transition, isDragging } = sortable;
  const describedBy = sortable.attributes["aria-describedby"];
  const title = titleOf(card.scene);
  const handle = useMemo(
    () =>
      isSorted && (
        <button
          type="button"
          ref={setActivatorNodeRef}
          aria-label={`Move ${title}`}
          aria-roledescription="sortable scene"
          aria-describedby={describedBy}
          className="mt-auto cursor-grab touch-none rounded-md p-1 text-muted hover:bg-sunken hover:text-ink active:cursor-grabbing"
          {...listeners}
        >
          <GripVertical aria-hidden className="size-4" />
        </button>
      ),
    [isSorted, setActivatorNodeRef, title, describedBy, listeners],
  );
  return (
    <li
      ref={setNodeRef}
      style={{ transform: CSS.Translate.toString(transform), transition }}
      className={cx("relative rounded-2xl", isDragging ? "z-10 shadow-float" : "offscreen-light")}
    >
      <SceneCard {...card} handle={handle} />
    </li>
  );
});
