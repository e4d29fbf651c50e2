import { Ellipsis, type LucideIcon } from "lucide-react";
import { lazy, Suspense, useState } from "react";
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

// What places and closes menus weighs more than most pages, and a page may hold five hundred: each is made when it is wanted.
const load = () => import("./MenuPopup");
const MenuPopup = lazy(load);

/** Further actions, behind a button. */
export function Menu({ label, items }: MenuProps) {
  const [isWanted, setIsWanted] = useState(false);
  const look = { icon: Ellipsis, label };
  if (!isWanted) {
    return (
      <IconButton
        {...look}
        aria-haspopup="menu"
        aria-expanded={false}
        onPointerEnter={() => void load()}
        onClick={() => setIsWanted(true)}
      />
    );
  }
  return (
    <Suspense fallback={<IconButton {...look} />}>
      <MenuPopup items={items} trigger={<IconButton {...look} />} />
    </Suspense>
  );
}
