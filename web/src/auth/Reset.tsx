import { useState } from "react";
import { callOpenly } from "../api/client";
import { Field } from "../ui/Field";
import { Notice } from "../ui/Notice";
import { Link } from "../ui/router";
import { takeToken } from "./token";
import { textOf, useSubmit } from "./useSubmit";
import { Welcome } from "./Welcome";

export function Forgot() {
  const [address, setAddress] = useState<string>();
  const { submit, isBusy, error } = useSubmit(async (form) => {
    const email = textOf(form, "email");
    await callOpenly("/password/forgot", { method: "POST", body: { email } });
    setAddress(email);
  });
  return (
    <Welcome title="Set a new password">
      {error && <Notice tone="bad">{error}</Notice>}
      {address ? (
        <Notice tone="good">
          If there is an account for <strong>{address}</strong>, a mail with a link is on its way.
        </Notice>
      ) : (
        <form onSubmit={submit}>
          <Field
            label="E-mail address"
            name="email"
            type="email"
            autoComplete="username"
            required
            hint="We send you a link for a new password."
          />
          <button type="submit" className="button button-primary button-wide" disabled={isBusy}>
            Send the link
          </button>
        </form>
      )}
      <p className="welcome-links">
        <Link to="/sign-in">Back to the sign-in</Link>
      </p>
    </Welcome>
  );
}

/** Where the link in that mail leads. */
export function Reset() {
  const [token] = useState(takeToken);
  const [isDone, setDone] = useState(false);
  const { submit, isBusy, error } = useSubmit(async (form) => {
    await callOpenly("/password/reset", { method: "POST", body: { token, password: textOf(form, "password") } });
    setDone(true);
  });
  return (
    <Welcome title="Choose a new password">
      {error && <Notice tone="bad">{error}</Notice>}
      {isDone ? (
        <>
          <Notice tone="good">Your new password is set. All other sessions have ended.</Notice>
          <Link to="/sign-in" className="button button-primary button-wide">
            Sign in
          </Link>
        </>
      ) : (
        <form onSubmit={submit}>
          <Field
            label="New password"
            name="password"
            type="password"
            autoComplete="new-password"
            required
            minLength={8}
            maxLength={128}
            hint="8 characters or more. A few words in a row are easy to remember."
          />
          <button type="submit" className="button button-primary button-wide" disabled={isBusy}>
            Set the password
          </button>
        </form>
      )}
      {error && (
        <p className="welcome-links">
          <Link to="/forgot">Ask for a new link</Link>
        </p>
      )}
    </Welcome>
  );
}
