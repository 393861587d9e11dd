import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "mixdown.theme";
const listeners = new Set<() => void>();
const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", publish);

/** The look that is shown: the chosen one, or the system's. */
export function theme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return system.matches ? "dark" : "light";
}

/** Switches the look. Back to what the system has is back to following the system. */
export function switchTheme(): void {
  const next: Theme = theme() === "dark" ? "light" : "dark";
  const isSystems = next === (system.matches ? "dark" : "light");
  if (isSystems) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    // theme.js reads it before anything is painted.
    if (isSystems) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Storage is switched off: it holds until the page is closed.
  }
  publish();
}

export function onThemeChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useTheme(): Theme {
  return useSyncExternalStore(onThemeChange, theme);
}

function publish(): void {
  for (const listener of listeners) listener();
}
