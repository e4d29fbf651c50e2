import { Link, Outlet, useParams } from "@tanstack/react-router";
import { buttonLook } from "@/components/Button";
import { EmptyPage } from "@/components/EmptyPage";
import { RemovedScenes } from "./ProjectNotices";
import { ProjectProvider, useProject } from "./ProjectProvider";

/** What the pages of one project share: its state, and the one stream that feeds it. */
export default function ProjectLayout() {
  const { projectId } = useParams({ from: "/projects/$projectId" });
  return (
    <ProjectProvider key={projectId} projectId={projectId}>
      <Shown />
      <RemovedScenes />
    </ProjectProvider>
  );
}

function Shown() {
  const { state, failure } = useProject();
  const back = (
    <Link to="/" className={buttonLook("primary")}>
      All projects
    </Link>
  );
  if (state.deleted) {
    return (
      <EmptyPage title="This project was deleted" actions={back}>
        Its scenes and files went with it.
      </EmptyPage>
    );
  }
  if (failure && (failure.status === 404 || failure.status === 422)) {
    return (
      <EmptyPage title="There is no such project" actions={back}>
        It may have been deleted, or the address is incomplete.
      </EmptyPage>
    );
  }
  if (failure) {
    return (
      <EmptyPage title={failure.message} actions={back}>
        {failure.hint}
      </EmptyPage>
    );
  }
  if (!state.currentProject) return <ProjectSkeleton isOffline={state.connection === "offline"} />;
  return <Outlet />;
}

function ProjectSkeleton({ isOffline }: { isOffline: boolean }) {
  return (
    <div aria-busy="true">
      <p role="status" className={isOffline ? "mb-4 text-sm text-warn" : "sr-only"}>
        {isOffline ? "The server does not answer. It is tried again by itself." : "The project is being read"}
      </p>
      <div className="h-9 w-64 animate-pulse rounded-lg bg-sunken" />
      <div className="mt-6 h-14 animate-pulse rounded-2xl bg-sunken" />
      <div className="mt-6 h-2.5 animate-pulse rounded-full bg-sunken" />
      {["a", "b", "c"].map((key) => (
        <div key={key} className="mt-4 h-36 animate-pulse rounded-2xl bg-sunken" />
      ))}
    </div>
  );
}
