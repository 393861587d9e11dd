// Drawn for this page, on a grid of 20 with lines of 1.6.
const PATHS = {
  play: "M7 4.5v11l9-5.5z",
  up: "M10 16V5m-4.5 4.5L10 5l4.5 4.5",
  pause: "M6.5 4.5v11M13.5 4.5v11",
  download: "M10 3v10m-4-4 4 4 4-4M4 16.5h12",
  link: "M8.5 11.5a3 3 0 0 0 4.2 0l2.6-2.6a3 3 0 0 0-4.2-4.2L10 5.8M11.5 8.5a3 3 0 0 0-4.2 0l-2.6 2.6a3 3 0 0 0 4.2 4.2l1.1-1.1",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10M8.5 9v4M11.5 9v4",
  close: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  retry: "M15.5 10a5.5 5.5 0 1 1-1.7-4M15.5 3v3.5H12",
  chevron: "M6 8l4 4 4-4",
  bell: "M5.5 14c1-1.2 1.2-2.5 1.2-5a3.3 3.3 0 0 1 6.6 0c0 2.5.2 3.8 1.2 5zM8.5 16.5h3",
  sun: "M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM10 2.5v1.8M10 15.7v1.8M2.5 10h1.8M15.7 10h1.8M4.7 4.7 6 6M14 14l1.3 1.3M15.3 4.7 14 6M6 14l-1.3 1.3",
  moon: "M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.5z",
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM13 13l3.5 3.5",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
  person: "M10 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM4.5 16.5a5.5 5.5 0 0 1 11 0",
  copy: "M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3",
  folder: "M3.5 6v9h13V7.5h-7L8 6z",
  settings: "M3.5 6.5h7M14.5 6.5h2M3.5 13.5h2M9.5 13.5h7M12.5 4.5v4M7.5 11.5v4",
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration beside a text or inside a button that has a label. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      className={`icon icon-${name}`}
      viewBox="0 0 20 20"
      width="20"
      height="20"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
