import { Ellipsis, type LucideIcon } from "lucide-react";
import { lazy, Suspense } from "react";
import { IconButton } from "./Button";

/** One thing to choose; `href` makes it a link to a page of its own. */
export interface MenuItem {
  icon: LucideIcon;
  text: string;
  onSelect?: () => void;
  href?: string;
  isDisabled?: boolean;
  isDangerous?: boolean;
}

export type MenuEntry = MenuItem | "line" | false | null | undefined | "";

export interface MenuProps {
  label: string;
  items: readonly MenuEntry[];
}

// Loaded once the page stands: what places and closes menus weighs more than most pages.
const MenuPopup = lazy(() => import("./MenuPopup"));

/** Further actions, behind a button. */
export function Menu({ label, items }: MenuProps) {
  const button = <IconButton icon={Ellipsis} label={label} />;
  return (
    <Suspense fallback={button}>
      <MenuPopup items={items} trigger={button} />
    </Suspense>
  );
}
