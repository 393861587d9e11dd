import { useQuery } from "@tanstack/react-query";
import { callOpenly } from "../api/client";
import { Problem } from "../api/problem";
import { PROBLEM_WORDS, wordsFor } from "../api/problemWords";
import type { ProblemCode, Provider } from "../api/types";
import { Field } from "../ui/Field";
import { Notice } from "../ui/Notice";
import { Link, navigate } from "../ui/router";
import { expectSession, session } from "./session";
import { useSession } from "./useSession";
import { textOf, useSubmit } from "./useSubmit";
import { Welcome } from "./Welcome";

export function SignIn() {
  const state = useSession();
  const { submit, isBusy, error } = useSubmit(async (form) => {
    await session.signIn(textOf(form, "email"), textOf(form, "password"));
    navigate("/", { replace: true });
  });
  const elsewhere = providerError();
  return (
    <Welcome title="Sign in">
      {state.kind === "signed-out" && state.hasEnded && !elsewhere && (
        <Notice tone="warn">Your session has ended. Sign in again to go on.</Notice>
      )}
      {elsewhere && <Notice tone="bad">{elsewhere}</Notice>}
      {error && <Notice tone="bad">{error}</Notice>}
      <form onSubmit={submit}>
        <Field label="E-mail address" name="email" type="email" autoComplete="username" required />
        <Field label="Password" name="password" type="password" autoComplete="current-password" required />
        <button type="submit" className="button button-primary button-wide" disabled={isBusy}>
          {isBusy ? "Signing in…" : "Sign in"}
        </button>
      </form>
      <Providers />
      <p className="welcome-links">
        <Link to="/forgot">Forgot your password?</Link>
        <span>
          New here? <Link to="/sign-up">Create an account</Link>
        </span>
      </p>
    </Welcome>
  );
}

/** Buttons for signing in elsewhere, where the service is set up for that. */
export function Providers() {
  const providers = useQuery({
    queryKey: ["providers"],
    queryFn: () => callOpenly<{ providers: Provider[] }>("/oidc/providers"),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  const list = providers.data?.providers ?? [];
  if (list.length === 0) return null;
  return (
    <div className="welcome-providers">
      <p>or</p>
      {list.map(({ id, name }) => (
        <a
          key={id}
          className="button button-wide"
          href={`/oidc/${encodeURIComponent(id)}/start`}
          onClick={expectSession}
        >
          Continue with {name}
        </a>
      ))}
    </div>
  );
}

/** Why a sign-in elsewhere did not work: the callback leaves a code in the address. */
function providerError(): string | undefined {
  const code = new URLSearchParams(location.search).get("oidc_error");
  // Anybody can write anything into an address: only codes that we know are shown.
  return code === null
    ? undefined
    : wordsFor(new Problem(code as ProblemCode, 403, PROBLEM_WORDS.oidc_failed as string));
}
