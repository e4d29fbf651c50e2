/** One polite live region for milestones and one alert for failures: what changes without being asked for is said once. */
import { createContext, type ReactNode, useContext, useMemo, useState } from "react";

interface Announce {
  milestone: (message: string) => void;
  failure: (message: string) => void;
}

const AnnounceContext = createContext<Announce>({ milestone: () => undefined, failure: () => undefined });

export const useAnnounce = (): Announce => useContext(AnnounceContext);

export function Announcer({ children }: { children: ReactNode }) {
  const [milestone, setMilestone] = useState("");
  const [failure, setFailure] = useState("");
  const announce = useMemo(() => ({ milestone: setMilestone, failure: setFailure }), []);
  return (
    <AnnounceContext value={announce}>
      {children}
      <div role="status" aria-label="Milestones" className="sr-only">
        {milestone}
      </div>
      <div role="alert" className="sr-only">
        {failure}
      </div>
    </AnnounceContext>
  );
}
