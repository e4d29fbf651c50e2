import { act, renderHook } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { type Intake, useLinkIntake } from "./use-link-intake";

const nothing: Intake = { rejected: [], missed: [] };

function intakeWith(add: (links: string[]) => Promise<Intake>) {
  const known = () => ["https://example.com/known"];
  return renderHook(() => useLinkIntake({ known, add })).result;
}

test("what is understood is added, the rest stays in the box with its reason", async () => {
  const add = vi.fn(async () => nothing);
  const intake = intakeWith(add);
  await act(() => intake.current.take("https://example.com/a,\n\nwords\nhttps://example.com/known", "typed before"));
  expect(add).toHaveBeenCalledWith(["https://example.com/a", "https://example.com/known"]);
  expect(intake.current.text).toBe("typed before\nwords");
  expect(intake.current.report).toEqual({
    added: 2,
    duplicates: 1,
    rejected: [{ line: "words", reason: "There is no link in this line" }],
  });
});

test("links that did not get through are in the box again", async () => {
  const intake = intakeWith(async (links) => ({ rejected: [], missed: links }));
  await act(() => intake.current.take("https://example.com/a\nhttps://example.com/b"));
  expect(intake.current.text).toBe("https://example.com/a\nhttps://example.com/b");
});

test("a paste that is all plain leaves nothing to read", async () => {
  const intake = intakeWith(async () => nothing);
  await act(() => intake.current.take("https://example.com/a"));
  expect([intake.current.text, intake.current.report]).toEqual(["", null]);
});
