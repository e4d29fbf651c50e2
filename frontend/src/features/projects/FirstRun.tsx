import { Film, FolderOpen, Link2, type LucideIcon } from "lucide-react";
import { LinkBox } from "@/components/LinkBox";
import { ReelMark } from "@/components/ReelMark";
import type { LinkIntake } from "@/components/use-link-intake";

const STEPS: { icon: LucideIcon; title: string; text: string }[] = [
  { icon: Link2, title: "Paste", text: "One link or two hundred, anywhere on the page. Each becomes a scene." },
  { icon: FolderOpen, title: "Watch", text: "Everything is fetched in the background and kept in your own bucket." },
  { icon: Film, title: "Play", text: "As soon as it is stored. What failed says why, and what to do about it." },
];

/** No project yet: one paste makes the first. */
export function FirstRun({ intake }: { intake: LinkIntake }) {
  return (
    <div className="mx-auto max-w-3xl py-10 sm:py-20">
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
