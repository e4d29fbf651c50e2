import { Tabs } from "@base-ui/react/tabs";
import type { ReactNode } from "react";
import { cx } from "@/components/cx";
import type { Totals } from "@/lib/totals";
import { countIn, VIEW_TITLES, VIEWS, type View, viewOf } from "./views";

interface StateTabsProps {
  view: View;
  onView: (view: View) => void;
  totals: Totals;
  all: number;
  children: ReactNode;
}

/** The scenes by state. The tab that is open is in the address, so that a reload or a bookmark shows the same. */
export function StateTabs({ view, onView, totals, all, children }: StateTabsProps) {
  return (
    <Tabs.Root value={view} onValueChange={(value) => onView(viewOf(value))}>
      <Tabs.List
        aria-label="Scenes by state"
        className="-mx-4 flex gap-1 overflow-x-auto border-line border-b px-4 sm:mx-0 sm:px-0"
      >
        {VIEWS.map((each) => (
          <StateTab key={each} view={each} count={countIn(each, totals, all)} isOpen={each === view} />
        ))}
      </Tabs.List>
      <Tabs.Panel value={view} tabIndex={-1} className="pt-4 outline-none">
        {children}
      </Tabs.Panel>
    </Tabs.Root>
  );
}

function StateTab({ view, count, isOpen }: { view: View; count: number; isOpen: boolean }) {
  return (
    <Tabs.Tab
      value={view}
      className={cx(
        "-mb-px flex h-11 items-center gap-2 border-b-2 px-3 font-medium text-sm transition-colors focus-visible:-outline-offset-2",
        isOpen ? "border-accent text-ink" : "border-transparent text-muted hover:text-ink",
      )}
    >
      {VIEW_TITLES[view]}
      <span
        className={cx(
          "min-w-6 rounded-full px-1.5 text-center text-xs leading-5 tabular-nums",
          view === "failed" && count > 0 ? "bg-bad-soft text-bad" : "bg-sunken text-muted",
        )}
      >
        {count}
      </span>
    </Tabs.Tab>
  );
}
