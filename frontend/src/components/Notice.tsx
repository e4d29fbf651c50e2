import { CircleAlert, Info, type LucideIcon, TriangleAlert, X } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "./Button";
import { cx } from "./cx";

type Tone = "bad" | "warn" | "info";

const TONES: Record<Tone, { box: string; icon: LucideIcon; ink: string }> = {
  bad: { box: "border-bad/30 bg-bad-soft", icon: CircleAlert, ink: "text-bad" },
  warn: { box: "border-warn/30 bg-warn-soft", icon: TriangleAlert, ink: "text-warn" },
  info: { box: "border-line bg-surface", icon: Info, ink: "text-muted" },
};

interface NoticeProps {
  tone: Tone;
  title: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  onDismiss?: () => void;
  /** `alert` is read at once, `status` when it fits; none for what is there from the beginning. */
  role?: "alert" | "status";
}

export function Notice({ tone, title, children, actions, onDismiss, role }: NoticeProps) {
  const { box, icon: Icon, ink } = TONES[tone];
  return (
    <div role={role} className={cx("flex gap-3 rounded-xl border p-4 text-sm", box)}>
      <Icon aria-hidden className={cx("mt-0.5 size-4.5 shrink-0", ink)} />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{title}</p>
        {children && <div className="mt-0.5 text-muted">{children}</div>}
        {actions && <div className="mt-3 flex flex-wrap gap-2">{actions}</div>}
      </div>
      {onDismiss && <IconButton icon={X} label="Dismiss" onClick={onDismiss} className="-mt-1.5 -mr-1.5" />}
    </div>
  );
}
