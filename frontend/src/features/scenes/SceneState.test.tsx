import { render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { mediaWith, sceneWith } from "@/test-scenes";
import { SceneState } from "./SceneState";

const error = { code: "worker.disk_full", message: "The disk is full.", hint: "Make room.", retryable: true };

test.each(["queued", "retrying"] as const)("a scene that is %s says why", (status) => {
  render(<SceneState scene={sceneWith("a", status, { media: mediaWith(status, { error }) })} />);
  expect(screen.getByText("The disk is full.")).toBeTruthy();
});

test("a failure's sentence is left to the failure", () => {
  render(<SceneState scene={sceneWith("a", "failed", { media: mediaWith("failed", { error }) })} />);
  expect(screen.queryByText("The disk is full.")).toBeNull();
});
