import { useSyncExternalStore } from "react";
import { Icon } from "./Icon";
import "./toasts.css";

interface Toast {
  id: number;
  text: string;
  tone: "plain" | "bad";
}

/** Long enough to be read twice. */
const SHOWN_MS = 7_000;

let toasts: Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

/** Tells something that has happened, on the screen and to screen readers. */
export function toast(text: string, tone: Toast["tone"] = "plain"): void {
  const id = nextId++;
  toasts = [...toasts.slice(-2), { id, text, tone }];
  publish();
  setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  toasts = toasts.filter((other) => other.id !== id);
  publish();
}

function publish(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, tone }) => (
        <div key={id} className={`toast toast-${tone}`}>
          <span>{text}</span>
          <button type="button" className="icon-button" aria-label="Close this message" onClick={() => dismiss(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
