import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { Me } from "../api/types";
import { Notice } from "../ui/Notice";
import { useFocusOnArrival } from "../ui/useFocusOnArrival";
import { Address } from "./Address";
import { DeleteAccount } from "./DeleteAccount";
import { Keys } from "./Keys";
import { Mails } from "./Mails";
import { Password } from "./Password";
import { Sessions } from "./Sessions";
import { Usage } from "./Usage";
import "./settings.css";

export default function SettingsPage() {
  const heading = useFocusOnArrival<HTMLHeadingElement>("Settings");
  const me = useQuery({ queryKey: ["me"], queryFn: () => call<Me>("/me") });
  return (
    <main id="content" className="settings">
      <h1 ref={heading} tabIndex={-1}>
        Settings
      </h1>
      {me.isError && <Notice tone="bad">{wordsFor(me.error)}</Notice>}
      {me.data && (
        <>
          <Usage />
          <Mails me={me.data} />
          <Address me={me.data} />
          <Password me={me.data} />
          <Sessions />
          <Keys />
          <DeleteAccount me={me.data} />
        </>
      )}
    </main>
  );
}
