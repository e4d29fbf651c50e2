import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { Activity } from "lucide-react";
import { lazy, Suspense } from "react";
import { ReelMark } from "@/components/ReelMark";
import { mustSignIn, sessionQuery } from "@/lib/session";
import { DeletedProjects } from "./DeletedProjects";
import { SignOutButton } from "./SignOutButton";
import { ThemeToggle } from "./ThemeToggle";

const NAV = "flex h-9 items-center gap-2 rounded-lg px-3 font-medium text-muted text-sm hover:bg-sunken hover:text-ink";

const SignInPage = lazy(() => import("./SignInPage"));

export function AppShell() {
  const { data: session } = useQuery(sessionQuery);
  const isOutside = mustSignIn(session);
  return (
    <>
      <a
        href="#main"
        className="sr-only rounded-lg bg-ink px-4 py-2 text-canvas focus:not-sr-only focus:absolute focus:top-3 focus:left-3 focus:z-50"
      >
        To the content
      </a>
      <header className="mx-auto flex max-w-6xl items-center justify-between px-4 pt-5 sm:px-8">
        <Link to="/" className="flex items-center gap-2.5 rounded-lg font-semibold text-lg tracking-tight">
          <ReelMark className="size-7 text-accent" />
          Takeup
        </Link>
        <nav aria-label="Main" className="flex items-center gap-1">
          {!isOutside && (
            <Link to="/monitor" className={NAV} activeProps={{ className: "bg-sunken text-ink" }}>
              <Activity aria-hidden className="size-4" />
              Monitor
            </Link>
          )}
          <ThemeToggle />
          {session?.signed_in && <SignOutButton keyName={session.signed_in.key_name} />}
        </nav>
      </header>
      <main id="main" tabIndex={-1} className="mx-auto max-w-6xl px-4 pt-8 pb-32 outline-none sm:px-8">
        {isOutside ? (
          <Suspense>
            <SignInPage />
          </Suspense>
        ) : (
          <Outlet />
        )}
      </main>
      {!isOutside && <DeletedProjects />}
    </>
  );
}
