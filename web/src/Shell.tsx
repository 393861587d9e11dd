import type { ReactNode } from "react";
import { wordsFor } from "./api/problemWords";
import { type Identity, session } from "./auth/session";
import { ConnectionContext } from "./jobs/ConnectionContext";
import { NewsBell } from "./jobs/NewsBell";
import { useLiveJobs } from "./jobs/useJobs";
import { useNews } from "./jobs/useNews";
import { player } from "./player/audio";
import { Icon } from "./ui/Icon";
import { Link, navigate } from "./ui/router";
import { switchTheme, useTheme } from "./ui/theme";
import { toast } from "./ui/toasts";
import { UploadsContext, useUploadQueue } from "./uploads/UploadsContext";
import "./Shell.css";

/** What is around every page. */
export function Shell({ identity, children }: { identity: Identity | undefined; children: ReactNode }) {
  return identity ? (
    <SignedIn identity={identity}>{children}</SignedIn>
  ) : (
    <div className="shell">
      <Header>
        <ThemeSwitch />
      </Header>
      {children}
    </div>
  );
}

function SignedIn({ identity, children }: { identity: Identity; children: ReactNode }) {
  const { news, clear, onJob } = useNews(identity.userId);
  const connection = useLiveJobs(identity.userId, onJob);
  const uploads = useUploadQueue(identity.userId);
  return (
    <ConnectionContext value={connection}>
      <UploadsContext value={uploads}>
        <div className="shell">
          <Header>
            <nav aria-label="Pages">
              <Link to="/">Files</Link>
              <Link to="/settings">Settings</Link>
              {identity.isAdmin && <Link to="/admin">Admin</Link>}
            </nav>
            <NewsBell news={news} onRead={clear} />
            <ThemeSwitch />
            <Account email={identity.email} />
          </Header>
          {children}
        </div>
      </UploadsContext>
    </ConnectionContext>
  );
}

function Header({ children }: { children: ReactNode }) {
  return (
    <header className="header">
      <Link to="/" className="wordmark" aria-label="Mixdown, to the first page">
        <svg viewBox="0 0 26 22" width="26" height="22" aria-hidden="true" focusable="false">
          {[8, 16, 11, 22, 6].map((height, index) => (
            <rect key={height} x={index * 5.4} y={(22 - height) / 2} width="3.2" height={height} rx="1.6" />
          ))}
        </svg>
        <span>Mixdown</span>
      </Link>
      <div className="header-tools">{children}</div>
    </header>
  );
}

function ThemeSwitch() {
  const theme = useTheme();
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={theme === "dark" ? "Switch to light" : "Switch to dark"}
      onClick={switchTheme}
    >
      <Icon name={theme === "dark" ? "sun" : "moon"} />
    </button>
  );
}

function Account({ email }: { email: string }) {
  const signOut = async () => {
    player.stop();
    navigate("/sign-in");
    try {
      await session.signOut();
    } catch (error) {
      toast(`You are signed out here, but the service does not know yet. ${wordsFor(error)}`, "bad");
    }
  };
  return (
    <>
      <button type="button" className="icon-button" aria-label="Your account" popoverTarget="account">
        <Icon name="person" />
      </button>
      <div id="account" popover="auto" className="menu">
        <p className="menu-who">
          Signed in as
          <br />
          <strong>{email}</strong>
        </p>
        <button type="button" className="button button-wide" onClick={signOut}>
          Sign out
        </button>
      </div>
    </>
  );
}
