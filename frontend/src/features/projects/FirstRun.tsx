import { Clapperboard, Film, FolderOpen, Link2, type LucideIcon } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/Button";
import { LinkBox } from "@/components/LinkBox";
import { ReelMark } from "@/components/ReelMark";
import type { LinkIntake } from "@/components/use-link-intake";
import { hostOf } from "@/lib/links";
import { SetupChecks } from "./SetupChecks";
import { useSetup } from "./use-setup";

const STEPS: { icon: LucideIcon; title: string; text: string }[] = [
  { icon: Link2, title: "Paste", text: "One link or two hundred, anywhere on the page. Each becomes a scene." },
  { icon: FolderOpen, title: "Watch", text: "Everything is fetched in the background and kept in your own bucket." },
  { icon: Film, title: "Play", text: "As soon as it is stored. What failed says why, and what to do about it." },
];

/** No project yet: one paste makes the first, and beside it is whether everything is there that it needs. */
export function FirstRun({ intake }: { intake: LinkIntake }) {
  const setup = useSetup();
  const { sampleUrl } = setup;
  const [isAdding, setIsAdding] = useState(false);
  const addSample = async (url: string) => {
    setIsAdding(true);
    await intake.take(url, intake.text);
    setIsAdding(false);
  };
  return (
    <div className="py-8 sm:py-14">
      <div className="grid gap-x-12 gap-y-10 lg:grid-cols-[minmax(0,1fr)_19rem] lg:items-start">
        <div>
          <ReelMark className="mb-6 size-14 text-accent" />
          <h1 className="text-balance font-semibold text-4xl leading-tight tracking-tight">
            Paste a link. It is fetched, stored, and ready to play.
          </h1>
          <p className="mt-4 max-w-prose text-lg text-muted">
            Videos, audio, pictures, or pages that hold them. Your first paste makes your first project.
          </p>
          <div className="mt-8">
            <LinkBox intake={intake} isLarge />
          </div>
          {sampleUrl && (
            <div className="mt-4 flex flex-wrap items-center gap-x-3 gap-y-2 text-muted text-sm">
              <span>No link at hand?</span>
              <Button icon={Clapperboard} disabled={isAdding} onClick={() => void addSample(sampleUrl)}>
                Store a sample
              </Button>
              <span className="[overflow-wrap:anywhere]">from {hostOf(sampleUrl)}</span>
            </div>
          )}
        </div>
        <SetupChecks setup={setup} />
      </div>
      <ol className="mt-14 grid gap-8 sm:grid-cols-3">
        {STEPS.map(({ icon: Icon, title, text }) => (
          <li key={title}>
            <Icon aria-hidden className="mb-3 size-5 text-accent" />
            <h2 className="font-semibold">{title}</h2>
            <p className="mt-1 text-muted text-sm">{text}</p>
          </li>
        ))}
      </ol>
    </div>
  );
}
