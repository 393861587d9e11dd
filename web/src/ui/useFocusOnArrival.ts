import { useEffect, useRef } from "react";

let isFirstPage = true;

/** Moves the focus to the heading of a page that was just come to, so that screen readers read on from there. */
export function useFocusOnArrival<T extends HTMLElement>(title: string) {
  const heading = useRef<T>(null);
  useEffect(() => {
    document.title = title === "" ? "Mixdown" : `${title} · Mixdown`;
    // The first page is where the browser puts the focus itself.
    if (!isFirstPage) heading.current?.focus({ preventScroll: true });
    isFirstPage = false;
  }, [title]);
  return heading;
}
