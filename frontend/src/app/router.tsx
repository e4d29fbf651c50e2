import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { type View, viewOf } from "@/features/scenes/views";
import { AppShell } from "./AppShell";
import { BrokenPage, NotFoundPage } from "./NotFoundPage";

const root = createRootRoute({ component: AppShell, notFoundComponent: NotFoundPage });

const projects = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("@/features/projects/ProjectsPage")),
});

const project = createRoute({
  getParentRoute: () => root,
  path: "/projects/$projectId",
  component: lazyRouteComponent(() => import("@/features/scenes/ProjectLayout")),
});

const editor = createRoute({
  getParentRoute: () => project,
  path: "/",
  validateSearch: (search: Record<string, unknown>): { state?: View } => {
    const view = viewOf(search.state);
    return view === "all" ? {} : { state: view };
  },
  component: lazyRouteComponent(() => import("@/features/scenes/EditorPage")),
});

const scene = createRoute({
  getParentRoute: () => project,
  path: "/scenes/$sceneId",
  component: lazyRouteComponent(() => import("@/features/scenes/ScenePage")),
});

const monitor = createRoute({
  getParentRoute: () => root,
  path: "/monitor",
  component: lazyRouteComponent(() => import("@/features/monitor/MonitorPage")),
});

export const router = createRouter({
  routeTree: root.addChildren([projects, project.addChildren([editor, scene]), monitor]),
  defaultPreload: "intent",
  defaultErrorComponent: BrokenPage,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
