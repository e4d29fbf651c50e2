import { LogOut } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/Button";
import { signOut } from "@/lib/session";

/** Ends the session, and loads the page anew: nothing that was read with the key stays in the browser's memory. */
export function SignOutButton({ keyName }: { keyName: string }) {
  const [hasFailed, setHasFailed] = useState(false);
  const leave = async () => {
    try {
      await signOut();
      location.assign("/");
    } catch {
      setHasFailed(true);
    }
  };
  return (
    <Button look="quiet" icon={LogOut} title={`Signed in with the key “${keyName}”`} onClick={() => void leave()}>
      <span aria-live="polite" className={hasFailed ? "" : "max-sm:sr-only"}>
        {hasFailed ? "Not signed out: try again" : "Sign out"}
      </span>
    </Button>
  );
}
