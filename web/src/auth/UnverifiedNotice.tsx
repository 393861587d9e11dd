import { useState } from "react";
import { callOpenly } from "../api/client";
import { wordsFor } from "../api/problemWords";
import { Notice } from "../ui/Notice";
import { toast } from "../ui/toasts";
import { session } from "./session";

export function UnverifiedNotice({ email }: { email: string }) {
  const [isSent, setSent] = useState(false);
  const resend = async () => {
    try {
      await callOpenly("/verify/resend", { method: "POST", body: { email } });
      setSent(true);
    } catch (error) {
      toast(wordsFor(error), "bad");
    }
  };
  return (
    <Notice tone="warn">
      <p>
        Please confirm that <strong>{email}</strong> is yours: follow the link in the mail that we sent you.
      </p>
      <p className="notice-actions">
        <button type="button" className="button" onClick={resend} disabled={isSent}>
          {isSent ? "Sent again" : "Send it again"}
        </button>
        <button type="button" className="button button-quiet" onClick={() => void session.renewIdentity()}>
          I have done it
        </button>
      </p>
    </Notice>
  );
}
