import { useSyncExternalStore } from "react";
import { type Identity, session } from "./session";

export function useSession() {
  return useSyncExternalStore(session.subscribe, session.state);
}

/** Who is signed in. For parts of the page that nobody else sees. */
export function useIdentity(): Identity {
  const state = useSession();
  if (state.kind !== "signed-in") throw new Error("this part needs a session");
  return state.identity;
}
