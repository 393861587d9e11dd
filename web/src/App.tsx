import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { Forgot, Reset } from "./auth/Reset";
import { SignIn } from "./auth/SignIn";
import { SignUp } from "./auth/SignUp";
import { session } from "./auth/session";
import { useSession } from "./auth/useSession";
import { Verify } from "./auth/Verify";
import { Home } from "./Home";
import { forgetJobs } from "./jobs/useJobs";
import { Shell } from "./Shell";
import { navigate, usePath } from "./ui/router";
import { Toasts } from "./ui/toasts";

// Not on anybody's first screen.
const SettingsPage = lazy(() => import("./settings/SettingsPage"));
const AdminPage = lazy(() => import("./admin/AdminPage"));

export function App() {
  const state = useSession();
  const path = usePath();
  const client = useQueryClient();
  const person = state.kind === "signed-in" ? state.identity.userId : undefined;
  useEffect(() => {
    // What one person has seen is nothing for the next. Not before the first one: that would end what is being asked for.
    if (person === undefined) return;
    return () => {
      client.clear();
      forgetJobs();
    };
  }, [client, person]);
  return (
    <>
      <a className="skip" href="#content">
        To the content
      </a>
      <Page path={path} />
      <Toasts />
    </>
  );
}

function Page({ path }: { path: string }) {
  const state = useSession();
  const isSignedIn = state.kind === "signed-in";
  // A mailed link does its work whoever is signed in.
  if (path === "/verify")
    return (
      <Outside>
        <Verify />
      </Outside>
    );
  if (path === "/reset")
    return (
      <Outside>
        <Reset />
      </Outside>
    );
  if (state.kind === "unknown") return <Resuming />;
  if (!isSignedIn)
    return (
      <Outside>
        <Door path={path} />
      </Outside>
    );
  return (
    <Shell identity={state.identity} key={state.identity.userId}>
      <Suspense fallback={<main id="content" />}>
        <Inside path={path} isAdmin={state.identity.isAdmin} />
      </Suspense>
    </Shell>
  );
}

function Inside({ path, isAdmin }: { path: string; isAdmin: boolean }) {
  const isKnown = path === "/" || path === "/settings" || (path === "/admin" && isAdmin);
  useEffect(() => {
    if (!isKnown) navigate("/", { replace: true });
  }, [isKnown]);
  if (path === "/settings") return <SettingsPage />;
  if (path === "/admin" && isAdmin) return <AdminPage />;
  return <Home />;
}

function Door({ path }: { path: string }) {
  if (path === "/sign-in") return <SignIn />;
  if (path === "/forgot") return <Forgot />;
  // Who was here before signs in again; who was not makes an account.
  if (path === "/sign-up") return <SignUp />;
  const state = session.state();
  const hasEnded = state.kind === "signed-out" && state.hasEnded;
  return hasEnded || path !== "/" || location.search.includes("oidc_error") ? <SignIn /> : <SignUp />;
}

function Outside({ children }: { children: React.ReactNode }) {
  return <Shell identity={undefined}>{children}</Shell>;
}

/** A session seems to be there, and the service has not said so yet. */
function Resuming() {
  useEffect(() => {
    const timer = setInterval(() => void session.resume(true), 5_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <main id="content" className="resuming" aria-live="polite">
      <p className="resuming-late">There is no connection to the service. Trying again…</p>
    </main>
  );
}
