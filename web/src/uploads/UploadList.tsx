import { Bars } from "../ui/Bars";
import { bytes, timeLeft } from "../ui/format";
import { Icon } from "../ui/Icon";
import type { UploadItem, UploadQueue } from "./queue";
import "./UploadList.css";

interface UploadListProps {
  items: UploadItem[];
  queue: UploadQueue;
  /** Opens the dialog for files, to find one again. */
  onPickAgain: () => void;
}

export function UploadList({ items, queue, onPickAgain }: UploadListProps) {
  if (items.length === 0) return null;
  return (
    <section className="uploads" aria-labelledby="uploads-heading">
      <h2 id="uploads-heading">On the way</h2>
      <ul>
        {items.map((item) => (
          <UploadRow key={item.id} item={item} queue={queue} onPickAgain={onPickAgain} />
        ))}
      </ul>
    </section>
  );
}

function UploadRow({ item, queue, onPickAgain }: { item: UploadItem; queue: UploadQueue; onPickAgain: () => void }) {
  const { id, name, state } = item;
  const isRefused = state.kind === "refused";
  return (
    <li className={isRefused ? "upload is-refused" : "upload"}>
      <Lead item={item} queue={queue} />
      <div className="upload-words">
        <h3>{name}</h3>
        <p role={isRefused ? "alert" : undefined}>{wordsOf(item)}</p>
      </div>
      {!isRefused && (
        <Bars
          seed={name}
          ratio={item.size > 0 ? item.sent / item.size : 0}
          label={`Upload of ${name}`}
          isStill={state.kind !== "sending"}
        />
      )}
      <div className="upload-actions">
        {state.kind === "unopened" && (
          <button
            type="button"
            className="button"
            onClick={() => (state.isRemembered ? void queue.reopen(id) : onPickAgain())}
          >
            {state.isRemembered ? "Go on" : "Find the file"}
            <span className="hidden"> {state.isRemembered ? `with ${name}` : name}</span>
          </button>
        )}
        <button
          type="button"
          className="icon-button"
          aria-label={isRefused ? `Put ${name} away` : `Cancel ${name}`}
          onClick={() => queue.cancel(id)}
        >
          <Icon name="close" />
        </button>
      </div>
    </li>
  );
}

/** The one button that one wants most often, where a finished file has its play button. */
function Lead({ item: { id, name, state }, queue }: { item: UploadItem; queue: UploadQueue }) {
  switch (state.kind) {
    case "waiting":
    case "sending":
    case "stalled":
      return (
        <button type="button" className="upload-lead" aria-label={`Pause ${name}`} onClick={() => queue.pause(id)}>
          <Icon name="pause" />
        </button>
      );
    case "paused":
      return (
        <button
          type="button"
          className="upload-lead"
          aria-label={`Go on with ${name}`}
          onClick={() => queue.resume(id)}
        >
          <Icon name="up" />
        </button>
      );
    case "unopened":
      return (
        <span className="upload-lead is-idle" aria-hidden="true">
          <Icon name="up" />
        </span>
      );
    case "refused":
      return state.canTryAgain ? (
        <button type="button" className="upload-lead" aria-label={`Try ${name} again`} onClick={() => queue.resume(id)}>
          <Icon name="retry" />
        </button>
      ) : (
        <span className="job-mark job-mark-failed" aria-hidden="true">
          <Icon name="close" />
        </span>
      );
  }
}

function wordsOf({ state, sent, size, speed }: UploadItem): string {
  const percent = size > 0 ? Math.floor((sent / size) * 100) : 0;
  const amount = `${bytes(sent)} of ${bytes(size)}`;
  switch (state.kind) {
    case "waiting":
      return `Waiting, ${bytes(size)}`;
    case "sending": {
      if (sent >= size) return "All there, one moment…";
      if (!speed) return amount;
      return `${amount} · ${bytes(speed)}/s · ${timeLeft((size - sent) / speed)}`;
    }
    case "paused":
      return `Paused at ${percent} %, ${amount}`;
    case "stalled":
      return `No connection. It goes on from ${percent} % as soon as there is one.`;
    case "unopened":
      return state.isRemembered
        ? `Interrupted at ${percent} %. It can go on from there.`
        : `Interrupted at ${percent} %. Choose the same file again, and it goes on from there.`;
    case "refused":
      return state.words;
  }
}
