import type { LucideIcon } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";
import { cx } from "./cx";

type Look = "primary" | "plain" | "quiet" | "danger" | "inverse";

const LOOKS: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong border-transparent",
  plain: "bg-surface text-ink border-line hover:bg-sunken",
  quiet: "border-transparent text-muted hover:bg-sunken hover:text-ink",
  inverse: "bg-transparent text-canvas border-canvas/30 hover:bg-canvas/15",
  danger: "border-transparent text-bad hover:bg-bad-soft",
};

export function buttonLook(look: Look = "plain", iconOnly = false): string {
  return cx(
    "inline-flex h-9 shrink-0 items-center justify-center gap-2 whitespace-nowrap rounded-lg border text-sm font-medium transition-colors",
    "disabled:opacity-50 aria-disabled:opacity-50",
    iconOnly ? "w-9" : "px-3",
    LOOKS[look],
  );
}

interface ButtonProps extends ComponentProps<"button"> {
  look?: Look;
  icon?: LucideIcon;
  children?: ReactNode;
}

export function Button({ look = "plain", icon: Icon, children, className, ...rest }: ButtonProps) {
  return (
    <button type="button" className={cx(buttonLook(look), className)} {...rest}>
      {Icon && <Icon aria-hidden className="size-4" />}
      {children}
    </button>
  );
}

interface IconButtonProps extends ComponentProps<"button"> {
  look?: Look;
  icon: LucideIcon;
  /** Its name, also shown where the pointer rests. */
  label: string;
}

export function IconButton({ look = "quiet", icon: Icon, label, className, ...rest }: IconButtonProps) {
  return (
    <button type="button" aria-label={label} title={label} className={cx(buttonLook(look, true), className)} {...rest}>
      <Icon aria-hidden className="size-4" />
    </button>
  );
}
