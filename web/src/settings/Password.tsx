import { useState } from "react";
import { call, callOpenly } from "../api/client";
import type { Me } from "../api/types";
import { session } from "../auth/session";
import { textOf, useSubmit } from "../auth/useSubmit";
import { Field } from "../ui/Field";
import { Notice } from "../ui/Notice";
import { toast } from "../ui/toasts";
import { Section } from "./Section";

export function Password({ me }: { me: Me }) {
  return me.has_password ? <Change /> : <First email={me.email} />;
}

function Change() {
  const { submit, isBusy, error } = useSubmit(async (form) => {
    await call("/me/password", {
      method: "POST",
      body: { current_password: textOf(form, "current"), new_password: textOf(form, "new") },
    });
    // All sessions have ended, this one too.
    toast("Your password is changed. Sign in with the new one.");
    await session.signOut();
  });
  return (
    <Section title="Password" about="Changing it signs you out everywhere.">
      {error && <Notice tone="bad">{error}</Notice>}
      <form onSubmit={submit}>
        <Field label="Password until now" name="current" type="password" autoComplete="current-password" required />
        <Field
          label="New password"
          name="new"
          type="password"
          autoComplete="new-password"
          required
          minLength={8}
          maxLength={128}
          hint="8 characters or more."
        />
        <button type="submit" className="button" disabled={isBusy}>
          Change the password
        </button>
      </form>
    </Section>
  );
}

/** For who signs in elsewhere and wants a password as well. */
function First({ email }: { email: string }) {
  const [isSent, setSent] = useState(false);
  const { submit, isBusy, error } = useSubmit(async () => {
    await callOpenly("/password/forgot", { method: "POST", body: { email } });
    setSent(true);
  });
  return (
    <Section title="Password" about="You have none, since you sign in elsewhere. You can set one as well.">
      {error && <Notice tone="bad">{error}</Notice>}
      {isSent ? (
        <Notice tone="good">A mail with a link is on its way.</Notice>
      ) : (
        <form onSubmit={submit}>
          <button type="submit" className="button" disabled={isBusy}>
            Send me a link to set one
          </button>
        </form>
      )}
    </Section>
  );
}
