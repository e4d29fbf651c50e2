import { Link } from "@tanstack/react-router";
import { Button, buttonLook } from "@/components/Button";
import { EmptyPage } from "@/components/EmptyPage";

export function NotFoundPage() {
  return (
    <EmptyPage
      title="There is no such page"
      actions={
        <Link to="/" className={buttonLook("primary")}>
          All projects
        </Link>
      }
    >
      The address may be incomplete, or the page may have moved.
    </EmptyPage>
  );
}

export function BrokenPage({ error }: { error: unknown }) {
  return (
    <EmptyPage
      title="This page broke"
      actions={
        <Button look="primary" onClick={() => location.reload()}>
          Load it again
        </Button>
      }
    >
      Nothing is lost: what was asked for goes on. {error instanceof Error && `(${error.message})`}
    </EmptyPage>
  );
}
