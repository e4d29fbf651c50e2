/** From text that somebody pasted, dropped or typed to scenes; what was not understood stays, with its reason. */
import { useCallback, useState } from "react";
import { plural } from "@/lib/format";
import { parseLinks, type Rejected } from "@/lib/links";
import { useAnnounce } from "./Announcer";
import type { Leftover } from "./leftovers";

/** What became of the links: those that were refused, and those that did not get through. */
export interface Intake {
  rejected: Rejected[];
  missed: string[];
  /** The project that was made for them, whose page is to open. */
  projectId?: string;
}

export interface Report {
  added: number;
  duplicates: number;
  rejected: Rejected[];
}

export interface LinkIntake {
  text: string;
  setText: (text: string) => void;
  report: Report | null;
  dismiss: () => void;
  /** Add what the text holds. What is left of it goes behind what stands in the box already. */
  take: (pasted: string, rest?: string) => Promise<void>;
}

interface IntakeOptions {
  /** Links that are there already. */
  known: () => Iterable<string>;
  add: (links: string[]) => Promise<Intake>;
  /** What stands in the box at first. */
  start?: Leftover | undefined;
  /** Called with what is left once a project was made for the links. */
  onMade?: (projectId: string, left: Leftover) => void;
}

export function useLinkIntake({ known, add, start, onMade }: IntakeOptions): LinkIntake {
  const [text, setText] = useState(start?.text ?? "");
  const [report, setReport] = useState<Report | null>(start?.report ?? null);
  const announce = useAnnounce();

  const take = useCallback(
    async (pasted: string, rest = "") => {
      const { links, duplicates, rejected } = parseLinks(pasted, known());
      const leave = (lines: string[]) => [rest.trim(), ...lines].filter(Boolean).join("\n");
      setText(leave(rejected.map(({ line }) => line)));
      setReport(rejected.length > 0 ? { added: 0, duplicates: 0, rejected } : null);
      if (links.length === 0) return;
      const { rejected: refused, missed, projectId } = await add(links);
      const all = [...rejected, ...refused];
      const added = links.length - refused.length - missed.length;
      const left: Leftover = {
        text: leave([...all.map(({ line }) => line), ...missed]),
        report: all.length + duplicates > 0 ? { added, duplicates, rejected: all } : null,
      };
      // What somebody types meanwhile stays.
      if (refused.length + missed.length > 0) setText(left.text);
      setReport(left.report);
      if (added > 0) announce.milestone(`${plural(added, "scene")} added`);
      if (projectId) onMade?.(projectId, left);
    },
    [known, add, onMade, announce],
  );

  const dismiss = useCallback(() => setReport(null), []);
  return { text, setText, report, dismiss, take };
}
