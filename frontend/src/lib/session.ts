/** Whether the server asks for a key, and whether this browser has shown one. */
import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { ask, client, onSignedOut, type Session } from "./api";

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: () => ask(client.GET("/api/v1/session")),
  staleTime: 60_000,
});

const SIGNED_OUT: Session = { key_required: true, signed_in: null };

/** Whatever is refused for want of a key tells that the session has ended, before the server is asked. */
export function watchSession(queries: QueryClient): void {
  onSignedOut(() => {
    queries.setQueryData(sessionQuery.queryKey, SIGNED_OUT);
    void queries.invalidateQueries(sessionQuery);
  });
}

/** Throws an `ApiError`. What was read before is forgotten: it may be another workspace's, or a refusal. */
export async function signIn(queries: QueryClient, key: string): Promise<void> {
  const session = await ask(client.POST("/api/v1/session", { body: { key } }));
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] });
  queries.setQueryData(sessionQuery.queryKey, session);
}

export function signOut(): Promise<Session> {
  return ask(client.DELETE("/api/v1/session"));
}

export function mustSignIn(session: Session | undefined): boolean {
  return Boolean(session?.key_required && !session.signed_in);
}
