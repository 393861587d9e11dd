import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../api/client";
import type { Me } from "../api/types";
import { textOf, useSubmit } from "../auth/useSubmit";
import { Field } from "../ui/Field";
import { Notice } from "../ui/Notice";
import { Section } from "./Section";

export function Address({ me }: { me: Me }) {
  const client = useQueryClient();
  const [sentTo, setSentTo] = useState<string>();
  const { submit, isBusy, error } = useSubmit(async (form) => {
    const email = textOf(form, "email");
    await call("/me/email", { method: "POST", body: { email, password: textOf(form, "password") } });
    setSentTo(email);
    await client.invalidateQueries({ queryKey: ["me"] });
  });
  const pending = sentTo ?? me.pending_email;
  return (
    <Section title="Address" about={<>You sign in with {me.email}, and mails go there.</>}>
      {pending && (
        <Notice tone="good">
          We have written to {pending}. The address changes when you follow the link in that mail.
        </Notice>
      )}
      {error && <Notice tone="bad">{error}</Notice>}
      {me.has_password ? (
        <form onSubmit={submit}>
          <Field label="New address" name="email" type="email" autoComplete="email" required />
          <Field label="Your password" name="password" type="password" autoComplete="current-password" required />
          <button type="submit" className="button" disabled={isBusy}>
            Change the address
          </button>
        </form>
      ) : (
        <p className="quiet">Set a password first to change it.</p>
      )}
    </Section>
  );
}
