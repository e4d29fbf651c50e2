import {
  closestCenter,
  DndContext,
  type DragEndEvent,
  KeyboardSensor,
  PointerSensor,
  useSensor,
  useSensors,
} from "@dnd-kit/core";
import { SortableContext, sortableKeyboardCoordinates, verticalListSortingStrategy } from "@dnd-kit/sortable";
import { useMemo } from "react";
import type { Scene } from "@/lib/api";
import { titleOf } from "@/lib/media";
import { useActions } from "./ProjectProvider";
import { SortableScene } from "./SortableScene";
import type { Selection } from "./use-selection";

interface SceneListProps {
  /** Those that are shown. */
  scenes: readonly Scene[];
  /** All of the project, in order: what numbers, moves and duplicates refer to. */
  all: readonly Scene[];
  duplicates: ReadonlyMap<string, number>;
  selection: Selection;
  isSorted: boolean;
}

/** Behind which scene one goes that is dropped at another's place; undefined where nothing changes. */
export function dropTarget(order: readonly string[], moved: string, over: string): string | null | undefined {
  const from = order.indexOf(moved);
  const to = order.indexOf(over);
  if (from < 0 || to < 0 || from === to) return undefined;
  return to > from ? over : (order[to - 1] ?? null);
}

export function SceneList({ scenes, all, duplicates, selection, isSorted }: SceneListProps) {
  const { move } = useActions();
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 6 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );
  const order = useMemo(() => all.map((scene) => scene.id), [all]);
  const numbers = useMemo(() => new Map(order.map((id, index) => [id, index])), [order]);
  const shown = useMemo(() => scenes.map((scene) => scene.id), [scenes]);

  const onDragEnd = ({ active, over }: DragEndEvent) => {
    const after = over ? dropTarget(order, String(active.id), String(over.id)) : undefined;
    if (after !== undefined) void move(String(active.id), after);
  };
  const nameOf = (id: string | number) => {
    const scene = all.find((each) => each.id === id);
    return scene ? titleOf(scene) : "Scene";
  };
  const placeOf = (id: string | number) => `${(numbers.get(String(id)) ?? 0) + 1} of ${order.length}`;

  return (
    <DndContext
      sensors={sensors}
      collisionDetection={closestCenter}
      onDragEnd={onDragEnd}
      accessibility={{
        announcements: {
          onDragStart: ({ active }) => `${nameOf(active.id)} is lifted, place ${placeOf(active.id)}.`,
          onDragOver: ({ active, over }) => (over ? `${nameOf(active.id)}: place ${placeOf(over.id)}.` : undefined),
          onDragEnd: ({ active, over }) =>
            `${nameOf(active.id)} is put down${over ? `, place ${placeOf(over.id)}` : ""}.`,
          onDragCancel: ({ active }) => `${nameOf(active.id)} is back where it was.`,
        },
        screenReaderInstructions: {
          draggable: "Space lifts the scene, the arrow keys move it, Space puts it down, Escape puts it back.",
        },
      }}
    >
      <SortableContext items={shown} strategy={verticalListSortingStrategy} disabled={!isSorted}>
        <ol aria-label="Scenes" className="grid gap-3">
          {scenes.map((scene) => {
            const index = numbers.get(scene.id) ?? 0;
            return (
              <SortableScene
                key={scene.id}
                scene={scene}
                number={index + 1}
                duplicateOf={duplicates.get(scene.id)}
                isSelected={selection.ids.has(scene.id)}
                onSelect={selection.toggle}
                isSorted={isSorted}
                up={index === 0 ? undefined : (order[index - 2] ?? null)}
                down={order[index + 1]}
              />
            );
          })}
        </ol>
      </SortableContext>
    </DndContext>
  );
}
