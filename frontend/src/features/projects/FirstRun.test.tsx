import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LinkIntake } from "@/components/use-link-intake";
import type { SetupCheck } from "@/lib/api";
import { FirstRun } from "./FirstRun";

const SAMPLE = "https://example.com/sample.mp4";
const PICTURE = "https://bucket.example/takeup-picture.png?signed";
const well = (name: string): SetupCheck => ({ name, ok: true, seen: "It answers.", remedy: "" });
const ILL: SetupCheck = { name: "workers", ok: false, seen: "No worker answers.", remedy: "Start `takeup worker`." };

/** A picture that the test loads, or refuses. */
class Picture {
  static all: Picture[] = [];
  onload: (() => void) | null = null;
  onerror: (() => void) | null = null;
  src = "";
  constructor() {
    Picture.all.push(this);
  }
  static end(how: "onload" | "onerror") {
    act(() => Picture.all.at(-1)?.[how]?.());
  }
}

let setup: { checks: SetupCheck[]; picture_url: string | null; sample_url: string | null };
let looks: number;

beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  Picture.all = [];
  looks = 0;
  setup = { checks: [well("database"), well("workers")], picture_url: PICTURE, sample_url: SAMPLE };
  vi.stubGlobal("Image", Picture);
  vi.stubGlobal("fetch", async () => {
    looks += 1;
    const signed = setup.picture_url && `${setup.picture_url}&${looks}`;
    return new Response(JSON.stringify({ ...setup, picture_url: signed }), {
      headers: { "Content-Type": "application/json" },
    });
  });
});
afterEach(() => {
  vi.useRealTimers();
});

function show() {
  const intake: LinkIntake = {
    text: "typed",
    setText: vi.fn(),
    report: null,
    dismiss: vi.fn(),
    take: vi.fn(async () => {}),
  };
  render(
    <QueryClientProvider client={new QueryClient()}>
      <FirstRun intake={intake} />
    </QueryClientProvider>,
  );
  return intake;
}

const later = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

test("all is well once the server says so and the browser has loaded a picture; then nobody looks any more", async () => {
  show();
  await later(10);
  expect(screen.queryByText("Everything works.")).toBeNull();
  Picture.end("onload");
  expect(screen.getByText("Everything works.")).toBeTruthy();
  const before = looks;
  await later(20_000);
  expect(looks).toBe(before);
  await userEvent
    .setup({ advanceTimers: vi.advanceTimersByTime })
    .click(screen.getByRole("button", { name: "Check again" }));
  await later(10);
  expect(looks).toBe(before + 1);
});

test("what is not well says so, with its remedy, and is looked at until it is", async () => {
  setup.checks = [well("database"), ILL];
  show();
  await later(10);
  Picture.end("onload");
  expect(screen.getByText("One thing needs your attention.")).toBeTruthy();
  expect(screen.getByText("takeup worker").parentElement?.textContent).toBe("No worker answers. Start takeup worker.");
  setup.checks = [well("database"), well("workers")];
  await later(5000);
  expect(screen.getByText("Everything works.")).toBeTruthy();
});

test("a bucket that this browser does not reach is told by its address", async () => {
  show();
  await later(10);
  Picture.end("onerror");
  expect(screen.getByText(/does not reach the bucket.*https:\/\/bucket\.example:/)).toBeTruthy();
});

test("a bucket that never answers the browser is told after a while", async () => {
  show();
  await later(15_000);
  expect(screen.getByText(/does not reach the bucket/)).toBeTruthy();
});

test("the sample is taken like a pasted link, and what was typed stays", async () => {
  const intake = show();
  await later(10);
  const user = userEvent.setup({ advanceTimers: vi.advanceTimersByTime });
  await user.click(screen.getByRole("button", { name: "Store a sample" }));
  expect(intake.take).toHaveBeenCalledWith(SAMPLE, "typed");
});

test("without a sample there is no button for it", async () => {
  setup.sample_url = null;
  show();
  await later(10);
  expect(screen.queryByRole("button", { name: "Store a sample" })).toBeNull();
});
