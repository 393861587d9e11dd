import { useEffect, useState } from "react";
import { callOpenly } from "../api/client";
import { wordsFor } from "../api/problemWords";
import { Notice } from "../ui/Notice";
import { Link } from "../ui/router";
import { session } from "./session";
import { takeToken } from "./token";
import { useSession } from "./useSession";
import { Welcome } from "./Welcome";

type Outcome = { kind: "asking" } | { kind: "done" } | { kind: "failed"; words: string };

/** Where the link in the first mail leads, and the one in the mail to a new address. */
export function Verify() {
  const [token] = useState(takeToken);
  const [outcome, setOutcome] = useState<Outcome>({ kind: "asking" });
  const state = useSession();
  useEffect(() => {
    let isGone = false;
    confirmOnce(token).then(
      () => !isGone && setOutcome({ kind: "done" }),
      (error) => !isGone && setOutcome({ kind: "failed", words: wordsFor(error) }),
    );
    return () => {
      isGone = true;
    };
  }, [token]);
  const next = state.kind === "signed-in" ? "/" : "/sign-in";
  return (
    <Welcome title="Confirm your address">
      {outcome.kind === "asking" && <p aria-live="polite">One moment…</p>}
      {outcome.kind === "done" && <Notice tone="good">Thank you. Your address is confirmed.</Notice>}
      {outcome.kind === "failed" && <Notice tone="bad">{outcome.words}</Notice>}
      {outcome.kind !== "asking" && (
        <Link to={next} className="button button-primary button-wide">
          {next === "/" ? "To your files" : "Sign in"}
        </Link>
      )}
    </Welcome>
  );
}

// A token works once; React may run an effect twice.
let asked: { token: string; answer: Promise<unknown> } | undefined;

function confirmOnce(token: string): Promise<unknown> {
  if (asked?.token !== token) {
    const answer = callOpenly("/verify", { method: "POST", body: { token } });
    // The token at hand says that the address is not confirmed: the next one knows better.
    void answer.then(
      () => session.renewIdentity(),
      () => undefined,
    );
    asked = { token, answer };
  }
  return asked.answer;
}
