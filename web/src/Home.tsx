import { useRef, useState } from "react";
import { UnverifiedNotice } from "./auth/UnverifiedNotice";
import { useIdentity } from "./auth/useSession";
import { useConnection } from "./jobs/ConnectionContext";
import { EmptyList } from "./jobs/EmptyList";
import { JobList } from "./jobs/JobList";
import { plural } from "./ui/format";
import { Notice } from "./ui/Notice";
import { toast } from "./ui/toasts";
import { useFocusOnArrival } from "./ui/useFocusOnArrival";
import { DropZone } from "./uploads/DropZone";
import { OptionsPanel } from "./uploads/OptionsPanel";
import { complaints, fieldsOf, rememberedOptions, rememberOptions } from "./uploads/options";
import type { Pick } from "./uploads/picking";
import { UploadList } from "./uploads/UploadList";
import { useUploads } from "./uploads/UploadsContext";

/** Where files go in and music comes out. */
export function Home() {
  const heading = useFocusOnArrival<HTMLHeadingElement>("");
  const identity = useIdentity();
  const connection = useConnection();
  const { queue, items } = useUploads();
  const [options, setOptions] = useState(rememberedOptions);
  const place = useRef<HTMLDivElement>(null);
  const take = ({ files, leftOut }: Pick) => {
    if (Object.keys(complaints(options)).length > 0) {
      toast("One of the settings needs another look first.", "bad");
      return;
    }
    queue.add(files, fieldsOf(options));
    if (leftOut > 0)
      toast(
        `${plural(leftOut, "file")} in there ${leftOut === 1 ? "is no video and was" : "are no videos and were"} left out.`,
      );
    if (files.length === 0 && leftOut === 0) toast("There was no video in there.");
  };
  return (
    <main id="content" className="home">
      <h1 ref={heading} tabIndex={-1} className="hidden">
        Your files
      </h1>
      {!identity.isVerified && <UnverifiedNotice email={identity.email} />}
      <div ref={place}>
        <DropZone onPick={take} />
        <OptionsPanel
          options={options}
          onChange={(changed) => {
            setOptions(changed);
            rememberOptions(changed);
          }}
        />
      </div>
      {connection === "waiting" && (
        <Notice tone="warn">The connection is gone. What you see may be old; it goes on by itself.</Notice>
      )}
      <UploadList
        items={items}
        queue={queue}
        onPickAgain={() => place.current?.querySelector<HTMLInputElement>('input[type="file"]')?.click()}
      />
      <JobList empty={items.length === 0 ? <EmptyList /> : null} />
    </main>
  );
}
