import { Menu as Base } from "@base-ui/react/menu";
import type { ReactElement } from "react";
import { cx } from "./cx";
import type { MenuItem, MenuProps } from "./Menu";

interface MenuPopupProps extends Pick<MenuProps, "items"> {
  trigger: ReactElement;
}

/** Open as soon as it is there, and again whenever its trigger is used. */
export default function MenuPopup({ trigger, items }: MenuPopupProps) {
  return (
    <Base.Root defaultOpen>
      <Base.Trigger render={trigger} />
      {/* Within the page's main part, which whoever goes by landmarks would otherwise have to leave. */}
      <Base.Portal container={document.getElementById("main")}>
        <Base.Positioner align="end" sideOffset={6} className="z-40">
          <Base.Popup className="min-w-48 origin-(--transform-origin) rounded-xl border border-line bg-surface p-1.5 shadow-float outline-none transition-[opacity,scale] data-ending-style:scale-95 data-starting-style:scale-95 data-ending-style:opacity-0 data-starting-style:opacity-0">
            {items.map((item, index) => {
              if (!item) return null;
              // biome-ignore lint/suspicious/noArrayIndexKey: the lines between the items have nothing else to be told by
              if (item === "line") return <Base.Separator key={index} className="mx-2 my-1.5 h-px bg-line" />;
              return <Item key={item.text} {...item} />;
            })}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

function Item({ icon: Icon, text, onSelect, href, isDisabled = false, isDangerous }: MenuItem) {
  const look = cx(
    "flex w-full select-none items-center gap-2.5 rounded-lg px-2.5 py-2 text-left text-sm outline-none data-disabled:opacity-40 data-highlighted:bg-sunken",
    isDangerous ? "text-bad" : "text-ink",
  );
  const content = (
    <>
      <Icon aria-hidden className="size-4 shrink-0 opacity-70" />
      {text}
    </>
  );
  if (href) {
    // biome-ignore lint/a11y/useAnchorContent: the item's content becomes the link's
    const link = <a href={href} target="_blank" rel="noreferrer noopener" />;
    return (
      <Base.Item className={look} render={link}>
        {content}
      </Base.Item>
    );
  }
  return (
    <Base.Item className={look} disabled={isDisabled} onClick={onSelect}>
      {content}
    </Base.Item>
  );
}
