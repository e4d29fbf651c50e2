import { useQueryClient } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { Button } from "@/components/Button";
import { ReelMark } from "@/components/ReelMark";
import { inWords } from "@/lib/api";
import { signIn } from "@/lib/session";

/** In the place of whatever page one wants, which is shown as soon as the key is right. */
export default function SignInPage() {
  const queries = useQueryClient();
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => {
    document.title = "Sign in - Takeup";
    field.current?.focus();
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setIsBusy(true);
    try {
      await signIn(queries, key.trim());
    } catch (error) {
      const { message, hint } = inWords(error);
      setProblem(`${message} ${hint}`);
      setIsBusy(false);
      field.current?.focus();
    }
  };

  return (
    <div className="mx-auto max-w-md py-10 sm:py-20">
      <ReelMark className="mb-6 size-14 text-accent" />
      <h1 className="text-balance font-semibold text-3xl leading-tight tracking-tight">Sign in with an API key</h1>
      <p className="mt-3 text-muted">
        This server asks for one. Whoever runs it makes keys with{" "}
        <code className="whitespace-nowrap rounded bg-sunken px-1.5 py-0.5 text-ink text-sm">
          takeup keys create NAME
        </code>
        .
      </p>
      <form onSubmit={(event) => void submit(event)} className="mt-8">
        <label htmlFor={id} className="mb-1.5 block font-medium text-sm">
          API key
        </label>
        <div className="flex gap-2">
          <input
            ref={field}
            id={id}
            type="password"
            name="key"
            autoComplete="current-password"
            spellCheck={false}
            value={key}
            maxLength={200}
            aria-invalid={problem !== ""}
            aria-describedby={problem ? `${id}-problem` : undefined}
            onChange={(event) => setKey(event.target.value)}
            className="h-11 min-w-0 flex-1 rounded-lg border border-line-strong bg-surface px-3 font-mono aria-invalid:border-bad"
          />
          <Button type="submit" look="primary" icon={KeyRound} disabled={isBusy || !key.trim()} className="h-11 px-4">
            Sign in
          </Button>
        </div>
        {problem && (
          <p id={`${id}-problem`} role="alert" className="mt-2 text-bad text-sm">
            {problem}
          </p>
        )}
      </form>
    </div>
  );
}
