import { Plus } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { Button } from "@/components/Button";
import { LinkBox } from "@/components/LinkBox";
import { type Leftover, leaveFor } from "@/components/leftovers";
import { Notice } from "@/components/Notice";
import { useLinkIntake } from "@/components/use-link-intake";
import { inWords } from "@/lib/api";
import { FirstRun } from "./FirstRun";

import { ProjectCard } from "./ProjectCard";
import { useNewProject } from "./use-new-project";
import { useProjects } from "./use-projects";

const TitleDialog = lazy(() => import("@/components/TitleDialog"));
const NOTHING_KNOWN = () => [];

export default function ProjectsPage() {
  const { data, error, isPending, hasNextPage, fetchNextPage, isFetchingNextPage, refetch } = useProjects();
  const projects = data?.pages.flatMap((page) => page.items) ?? [];
  const isFirst = data !== undefined && projects.length === 0;
  const { create, createFrom, open } = useNewProject(isFirst);
  const onMade = useCallback(
    (projectId: string, left: Leftover) => {
      leaveFor(projectId, left);
      void open(projectId);
    },
    [open],
  );
  const intake = useLinkIntake({ known: NOTHING_KNOWN, add: createFrom, onMade });
  const [isNaming, setIsNaming] = useState(false);
  const close = useCallback(() => setIsNaming(false), []);
  useEffect(() => {
    document.title = "Takeup";
  }, []);

  if (isFirst) return <FirstRun intake={intake} />;
  const failure = error ? inWords(error) : null;
  return (
    <>
      <div className="mb-5 flex items-center justify-between gap-4">
        <h1 className="font-semibold text-2xl tracking-tight">Projects</h1>
        <Button icon={Plus} onClick={() => setIsNaming(true)}>
          New project
        </Button>
      </div>
      {failure && (
        <div className="mb-5">
          <Notice
            tone="bad"
            role="alert"
            title={failure.message}
            actions={<Button onClick={() => void refetch()}>Try again</Button>}
          >
            {failure.hint}
          </Notice>
        </div>
      )}
      {!isPending && (
        <section aria-label="New project from links" className="mb-8">
          <LinkBox intake={intake} />
          <p className="mt-2 px-1 text-muted text-sm">Links pasted on this page make a new project.</p>
        </section>
      )}
      <ul aria-label="Projects" aria-busy={isPending} className="grid gap-5 sm:grid-cols-2 lg:grid-cols-3">
        {isPending && !failure && <Skeletons />}
        {projects.map((project) => (
          <ProjectCard key={project.id} project={project} />
        ))}
      </ul>
      {hasNextPage && (
        <div className="mt-8 text-center">
          <Button disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show older projects
          </Button>
        </div>
      )}
      {isNaming && (
        <Suspense>
          <TitleDialog heading="New project" submit="Create" onSubmit={create.mutateAsync} onClose={close} />
        </Suspense>
      )}
    </>
  );
}

function Skeletons() {
  return ["a", "b", "c"].map((key) => (
    <li key={key} className="h-64 animate-pulse rounded-2xl bg-sunken">
      <span className="sr-only">A project is being read</span>
    </li>
  ));
}
