import { useState } from "react";
import { call } from "../api/client";
import type { Me } from "../api/types";
import { session } from "../auth/session";
import { textOf, useSubmit } from "../auth/useSubmit";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { Notice } from "../ui/Notice";
import { toast } from "../ui/toasts";
import { Section } from "./Section";

export function DeleteAccount({ me }: { me: Me }) {
  const [isAsking, setAsking] = useState(false);
  const { submit, isBusy, error } = useSubmit(async (form) => {
    await call("/me", { method: "DELETE", body: { password: textOf(form, "password") } });
    toast("Your account is being deleted. Goodbye.");
    await session.signOut();
  });
  return (
    <Section
      title="Delete the account"
      about="Everything goes: files, history, keys, and the address. Nobody can bring it back."
    >
      <button type="button" className="button button-danger-quiet" onClick={() => setAsking(true)}>
        Delete my account…
      </button>
      {isAsking && (
        <Dialog title="Delete your account?" onClose={() => setAsking(false)}>
          <p>All your files are deleted, and links to them stop working.</p>
          {error && <Notice tone="bad">{error}</Notice>}
          <form onSubmit={submit}>
            {me.has_password && (
              <Field label="Your password" name="password" type="password" autoComplete="current-password" required />
            )}
            <div className="dialog-actions">
              <button type="button" className="button" onClick={() => setAsking(false)}>
                Keep it
              </button>
              <button type="submit" className="button button-danger" disabled={isBusy}>
                Delete everything
              </button>
            </div>
          </form>
        </Dialog>
      )}
    </Section>
  );
}
