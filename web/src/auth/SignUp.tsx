import { useState } from "react";
import { callOpenly } from "../api/client";
import { Field } from "../ui/Field";
import { Notice } from "../ui/Notice";
import { Link } from "../ui/router";
import { Providers } from "./SignIn";
import { textOf, useSubmit } from "./useSubmit";
import { Welcome } from "./Welcome";

export function SignUp() {
  const [address, setAddress] = useState<string>();
  const { submit, isBusy, error } = useSubmit(async (form) => {
    const email = textOf(form, "email");
    await callOpenly("/register", { method: "POST", body: { email, password: textOf(form, "password") } });
    setAddress(email);
  });
  if (address !== undefined) return <LookIntoYourMail address={address} />;
  return (
    <Welcome title="Create an account">
      {error && <Notice tone="bad">{error}</Notice>}
      <form onSubmit={submit}>
        <Field
          label="E-mail address"
          name="email"
          type="email"
          autoComplete="username"
          required
          hint="We write to it when a file is ready. Nothing else."
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          required
          minLength={8}
          maxLength={128}
          hint="8 characters or more. A few words in a row are easy to remember."
        />
        <button type="submit" className="button button-primary button-wide" disabled={isBusy}>
          {isBusy ? "One moment…" : "Create account"}
        </button>
      </form>
      <Providers />
      <p className="welcome-links">
        <span>
          Been here before? <Link to="/sign-in">Sign in</Link>
        </span>
      </p>
    </Welcome>
  );
}

function LookIntoYourMail({ address }: { address: string }) {
  const [isResent, setResent] = useState(false);
  const { submit, isBusy, error } = useSubmit(async () => {
    await callOpenly("/verify/resend", { method: "POST", body: { email: address } });
    setResent(true);
  });
  return (
    <Welcome title="Look into your mail">
      {error && <Notice tone="bad">{error}</Notice>}
      <p>
        We have written to <strong>{address}</strong>. Follow the link in that mail, and your account is ready.
      </p>
      <p className="quiet">Nothing there after a minute? Look where unwanted mail goes, or let us send it again.</p>
      <form onSubmit={submit}>
        <button type="submit" className="button button-wide" disabled={isBusy || isResent}>
          {isResent ? "Sent again" : "Send it again"}
        </button>
      </form>
      <p className="welcome-links">
        <Link to="/sign-in">To the sign-in</Link>
      </p>
    </Welcome>
  );
}
