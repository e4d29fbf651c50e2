import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import { dropTarget } from "./SceneList";
import { rangeBetween, useSelection } from "./use-selection";

const ORDER = ["a", "b", "c", "d"];

test("a range goes both ways, and is one scene where its other end is not shown", () => {
  expect(rangeBetween(ORDER, "d", "b")).toEqual(["b", "c", "d"]);
  expect(rangeBetween(ORDER, "gone", "b")).toEqual(["b"]);
});

test("one, a range, all, none; what is not shown any more is not selected", () => {
  const { result, rerender } = renderHook(({ order }) => useSelection(order), { initialProps: { order: ORDER } });
  act(() => result.current.toggle("b", false));
  act(() => result.current.toggle("d", true));
  expect([...result.current.ids]).toEqual(["b", "c", "d"]);
  act(() => result.current.toggle("c", false));
  expect([...result.current.ids]).toEqual(["b", "d"]);
  rerender({ order: ["a", "b"] });
  expect([...result.current.ids]).toEqual(["b"]);
  act(() => result.current.selectAll());
  expect(result.current.ids.size).toBe(2);
  act(() => result.current.clear());
  expect(result.current.ids.size).toBe(0);
});

test("a dropped scene goes behind the one that is above its new place", () => {
  expect(dropTarget(ORDER, "a", "c")).toBe("c");
  expect(dropTarget(ORDER, "d", "b")).toBe("a");
  expect(dropTarget(ORDER, "d", "a")).toBeNull();
  expect(dropTarget(ORDER, "a", "a")).toBeUndefined();
});
