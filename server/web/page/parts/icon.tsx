/** Line drawings on 20 by 20. Each state has a shape of its own. */
const paths: Readonly<Record<string, string>> = {
  // States
  star: "M10 2.5v4M10 13.5v4M2.5 10h4M13.5 10h4M5 5l2.5 2.5M12.5 12.5 15 15M15 5l-2.5 2.5M7.5 12.5 5 15",
  circle: "M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12Z",
  power: "M10 3v7M6 5.6a6.5 6.5 0 1 0 8 0",
  hourglass: "M5.5 3h9M5.5 17h9M6.5 3c0 4 3.5 4.5 3.5 7s-3.5 3-3.5 7M13.5 3c0 4-3.5 4.5-3.5 7s3.5 3 3.5 7",
  lens: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM13 13l4 4",
  up: "M10 16V4M5 9l5-5 5 5",
  down: "M10 3v9M5.5 8l4.5 4.5L14.5 8M4 16.5h12",
  eraser: "M8 16.5 3.5 12 11.5 4l5 5-7.5 7.5H17M7.5 8l5 5",
  tag: "M3.5 3.5h6l7 7-6 6-7-7v-6ZM7 7h.01",
  turn: "M15.5 7.5A6.2 6.2 0 1 0 16.2 11M16 3.5v4.2h-4.2",
  tick: "M4 10.5 8.2 15 16 5.5",
  cross: "M10 2.8 18 16.5H2L10 2.8ZM10 8v4M10 14.3v.01",
  lock: "M5 9h10v7.5H5V9ZM7 9V6.5a3 3 0 0 1 6 0V9",
  off: "M4.5 4.5l11 11M10 4a6 6 0 0 1 5.2 9M13 15.2A6 6 0 0 1 4.8 7",
  // Places
  room: "M3 3h6v5H3V3ZM11 3h6v5h-6V3ZM3 11h6v5H3v-5ZM11 11h6v5h-6v-5Z",
  sessions: "M10 15.5v.01M6.8 12.3a4.5 4.5 0 0 1 6.4 0M4 9.5a8.5 8.5 0 0 1 12 0M1.5 6.5a12.3 12.3 0 0 1 17 0",
  images:
    "M3 5.5C3 4.1 6.1 3 10 3s7 1.1 7 2.5-3.1 2.5-7 2.5-7-1.1-7-2.5ZM3 5.5v4.6c0 1.4 3.1 2.5 7 2.5s7-1.1 7-2.5V5.5M3 10.1v4.4C3 15.9 6.1 17 10 17s7-1.1 7-2.5v-4.4",
  schedule: "M3.5 4.5h13V17h-13V4.5ZM3.5 8.5h13M7 2.5v3.5M13 2.5v3.5M7 12h2.5",
  repairs:
    "M12.5 3.2a4.2 4.2 0 0 0-4.3 5.6l-5.4 5.4 3 3 5.4-5.4a4.2 4.2 0 0 0 5.5-5.2l-2.5 2.5-2.8-.8-.7-2.7 2.5-2.5-.7.1Z",
  settings: "M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4",
  // Things to do
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM13 13l4 4",
  close: "M5 5l10 10M15 5 5 15",
  tiles: "M3.5 3.5h5v5h-5v-5ZM11.5 3.5h5v5h-5v-5ZM3.5 11.5h5v5h-5v-5ZM11.5 11.5h5v5h-5v-5Z",
  rows: "M3.5 5h13M3.5 10h13M3.5 15h13",
  next: "M7.5 4.5 13 10l-5.5 5.5",
  back: "M12.5 4.5 7 10l5.5 5.5",
  print: "M6 7V3h8v4M6 14H3.5V7h13v7H14M6 11.5h8V17H6v-5.5Z",
  stop: "M5 5h10v10H5V5Z",
  help: "M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15ZM7.8 7.8a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M10 14v.01",
  person: "M10 3.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM4 17c.5-3.5 2.7-5 6-5s5.5 1.5 6 5",
  plus: "M10 4v12M4 10h12",
  bolt: "M11 2.5 4.5 11.5h5L9 17.5l6.5-9h-5l.5-6Z",
  bell: "M5 14V9a5 5 0 0 1 10 0v5l1.5 1h-13L5 14ZM8.5 17.2h3",
  play: "M6 4l10 6-10 6V4Z",
  pause: "M6.5 4v12M13.5 4v12",
};

/** Beside a word, never instead of one. */
export function Icon({ name, size = 18 }: { name: string; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={paths[name] ?? paths["circle"]!} />
    </svg>
  );
}

/** One sender, many machines. */
export function Mark({ size = 32 }: { size?: number }) {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M10.5 20.5a7.8 7.8 0 0 1 11 0M7.2 16.2a12.5 12.5 0 0 1 17.6 0M4.5 11.6a17 17 0 0 1 23 0" />
      <circle cx="16" cy="24.5" r="2.3" />
    </svg>
  );
}
