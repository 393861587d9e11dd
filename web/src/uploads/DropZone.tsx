import { type DragEvent, useEffect, useRef, useState } from "react";
import { FilmToWave } from "../ui/FilmToWave";
import { Icon } from "../ui/Icon";
import { chosen, dropped, type Pick, type Picked } from "./picking";
import "./DropZone.css";

/** Where videos go in: by dropping them anywhere on the page, or by a button. */
export function DropZone({ onPick }: { onPick: (pick: Pick) => void }) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const isOver = useDrop(onPick);
  const pickFiles = async () => {
    const handles = await pickWithHandles();
    if (handles === "unsupported") files.current?.click();
    else if (handles.length > 0) onPick({ files: handles, leftOut: 0 });
  };
  return (
    <section className={isOver ? "drop-zone is-over" : "drop-zone"} aria-labelledby="drop-heading">
      <FilmToWave />
      <div className="drop-zone-words">
        <h2 id="drop-heading">
          {isOver ? (
            "Let go, and it begins"
          ) : (
            <>
              <span className="with-mouse">Drop videos here</span>
              <span className="with-finger">Add your videos</span>
            </>
          )}
        </h2>
        <p>One, many, or a whole folder. If the connection breaks, they go on where they were.</p>
        <div className="drop-zone-buttons">
          <button type="button" className="button button-primary" onClick={pickFiles}>
            Choose videos
          </button>
          <button type="button" className="button" onClick={() => folder.current?.click()}>
            <Icon name="folder" /> A folder
          </button>
        </div>
      </div>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label="Videos"
        data-testid="files"
        accept="video/*,audio/*,.mkv,.avi,.flv,.wmv,.mts,.m2ts,.ts,.vob,.mxf"
        onChange={(event) => {
          onPick(chosen(event.target.files, false));
          // The same file may be picked again.
          event.target.value = "";
        }}
      />
      <input
        ref={folder}
        type="file"
        hidden
        aria-label="Folder of videos"
        // Standard in every browser by now, but for the types.
        {...{ webkitdirectory: "" }}
        onChange={(event) => {
          onPick(chosen(event.target.files, true));
          event.target.value = "";
        }}
      />
    </section>
  );
}

/** Makes the whole page take what is dropped; whether something hangs over it. */
function useDrop(onPick: (pick: Pick) => void): boolean {
  const [isOver, setOver] = useState(false);
  const handler = useRef(onPick);
  useEffect(() => {
    handler.current = onPick;
  }, [onPick]);
  useEffect(() => {
    const hasFiles = (event: Event) => (event as unknown as DragEvent).dataTransfer?.types.includes("Files") ?? false;
    const onDragOver = (event: Event) => {
      if (!hasFiles(event)) return;
      // Without this the browser would open the file instead of the page.
      event.preventDefault();
      setOver(true);
    };
    const onDragLeave = (event: Event) => {
      if ((event as unknown as DragEvent).relatedTarget === null) setOver(false);
    };
    const onDrop = (event: Event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      const { dataTransfer } = event as unknown as { dataTransfer: DataTransfer | null };
      if (dataTransfer) void dropped(dataTransfer).then((pick) => handler.current(pick));
    };
    addEventListener("dragover", onDragOver);
    addEventListener("dragleave", onDragLeave);
    addEventListener("drop", onDrop);
    return () => {
      removeEventListener("dragover", onDragOver);
      removeEventListener("dragleave", onDragLeave);
      removeEventListener("drop", onDrop);
    };
  }, []);
  return isOver;
}

type Picker = (options: { multiple: boolean }) => Promise<FileSystemFileHandle[]>;

/** The browser's own dialog with files that the page can open again after a reload, where there is such a thing. */
async function pickWithHandles(): Promise<Picked[] | "unsupported"> {
  const picker = (window as { showOpenFilePicker?: Picker }).showOpenFilePicker;
  if (picker === undefined) return "unsupported";
  try {
    const handles = await picker({ multiple: true });
    return await Promise.all(handles.map(async (handle) => ({ handle, file: await handle.getFile() })));
  } catch (error) {
    // Closed without a choice.
    return (error as Error).name === "AbortError" ? [] : "unsupported";
  }
}
