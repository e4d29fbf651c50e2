import type { ReactNode } from "react";
import { ReelMark } from "./ReelMark";

interface EmptyPageProps {
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
}

export function EmptyPage({ title, children, actions }: EmptyPageProps) {
  return (
    <div className="mx-auto max-w-md py-20 text-center">
      <ReelMark className="mx-auto mb-6 size-12 text-line-strong" />
      <h1 className="font-semibold text-2xl tracking-tight">{title}</h1>
      {children && <p className="mt-2 text-muted">{children}</p>}
      {actions && <div className="mt-6 flex justify-center gap-2">{actions}</div>}
    </div>
  );
}
