import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  RouterProvider,
} from "@tanstack/react-router";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";
import { ask, client } from "@/lib/api";
import { watchSession } from "@/lib/session";
import { AppShell } from "./AppShell";

const RIGHT = "tk_right";
const OUTSIDE = { key_required: true, signed_in: null };
const INSIDE = { key_required: true, signed_in: { key_name: "laptop", workspace: "default" } };
const REFUSAL = { title: "Unauthorized", status: 401, hint: "Look again." };

let isSignedIn: boolean;
let session: unknown;

function answer(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
}

async function serve(request: Request): Promise<Response> {
  if (!request.url.endsWith("/session"))
    return isSignedIn
      ? answer(200, { items: [], next_cursor: null })
      : answer(401, { ...REFUSAL, code: "auth.key_required", detail: "A key." });
  if (request.method === "POST") {
    if ((await request.json()).key !== RIGHT)
      return answer(401, { ...REFUSAL, code: "auth.wrong_key", detail: "Unknown key." });
    isSignedIn = true;
    session = INSIDE;
  }
  return answer(200, session);
}

/** The shell around one page, which is wanted by its address. */
function open() {
  const root = createRootRoute({ component: AppShell });
  const wanted = createRoute({
    getParentRoute: () => root,
    path: "/wanted",
    component: () => <h1>The wanted page</h1>,
  });
  const monitor = createRoute({ getParentRoute: () => root, path: "/monitor", component: () => null });
  const router = createRouter({
    routeTree: root.addChildren([wanted, monitor]),
    history: createMemoryHistory({ initialEntries: ["/wanted"] }),
  });
  const queries = new QueryClient();
  watchSession(queries);
  render(
    <QueryClientProvider client={queries}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  );
  return queries;
}

beforeEach(() => {
  isSignedIn = false;
  session = OUTSIDE;
  vi.stubGlobal("fetch", serve);
  vi.stubGlobal("scrollTo", () => {});
});

test("who must sign in is asked for a key, and then shown the page that was wanted", async () => {
  open();
  const field = await screen.findByLabelText("API key");
  expect(screen.queryByText("The wanted page")).toBeNull();
  expect(screen.queryByRole("link", { name: "Monitor" })).toBeNull();
  await userEvent.type(field, `${RIGHT}{Enter}`);
  expect(await screen.findByText("The wanted page")).toBeTruthy();
  expect(screen.getByRole("button", { name: "Sign out" })).toBeTruthy();
});

test("a wrong key is told beside the field, which keeps it", async () => {
  open();
  const field = await screen.findByLabelText<HTMLInputElement>("API key");
  await userEvent.type(field, "tk_wrong{Enter}");
  expect((await screen.findByRole("alert")).textContent).toContain("Unknown key. Look again.");
  expect([field.value, field.type, field.getAttribute("aria-invalid")]).toEqual(["tk_wrong", "password", "true"]);
});

test("a request that is refused while the page is open leads to the sign-in page", async () => {
  isSignedIn = true;
  session = INSIDE;
  open();
  expect(await screen.findByText("The wanted page")).toBeTruthy();
  isSignedIn = false;
  session = OUTSIDE;
  await expect(ask(client.GET("/api/v1/projects"))).rejects.toThrow("A key.");
  expect(await screen.findByLabelText("API key")).toBeTruthy();
});

test("a refusal that the server does not stand by takes nobody's page away", async () => {
  session = INSIDE;
  const queries = open();
  await screen.findByText("The wanted page");
  await expect(ask(client.GET("/api/v1/projects"))).rejects.toThrow("A key.");
  await waitFor(() => expect(queries.getQueryData(["session"])).toEqual(INSIDE));
  expect(await screen.findByText("The wanted page")).toBeTruthy();
});

test("after signing in nothing is left of what was read before", async () => {
  const queries = open();
  queries.setQueryData(["projects", "list"], "another workspace's");
  await userEvent.type(await screen.findByLabelText("API key"), `${RIGHT}{Enter}`);
  await screen.findByText("The wanted page");
  expect(queries.getQueryData(["projects", "list"])).toBeUndefined();
});

test("where no key is asked for, nothing speaks of signing in or out", async () => {
  session = { key_required: false, signed_in: null };
  open();
  expect(await screen.findByText("The wanted page")).toBeTruthy();
  expect(screen.queryByRole("button", { name: "Sign out" })).toBeNull();
});
