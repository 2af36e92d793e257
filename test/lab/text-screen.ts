import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Monitor } from "../../scripts/lab/monitor.ts";

/** A PC's text mode: 32 KiB at this address hold a character and its colour in turn, of which the card shows a part. */
const TEXT_MEMORY = 0xb8000;
const TEXT_MEMORY_BYTES = 0x8000;
const COLUMNS = 80;
const ROWS = 25;

/** The signs beyond ASCII that our screen has, by their number in code page 437. */
const signs: Readonly<Record<number, string>> = { 251: "√", 16: "►", 219: "█", 223: "▀", 220: "▄", 176: "░", 196: "─" };

/**
 * The 25 lines that a machine's VGA card shows, from the line that begins with `first` on: where in its memory the card
 * begins to show is not asked, because it moves when text scrolls.
 */
export async function textScreen(monitor: Monitor, folder: string, first: string): Promise<string[]> {
  const file = join(folder, "text-memory");
  await monitor.execute("pmemsave", { val: TEXT_MEMORY, size: TEXT_MEMORY_BYTES, filename: file });
  const memory = await readFile(file);
  await rm(file);
  const rows = Array.from({ length: TEXT_MEMORY_BYTES / 2 / COLUMNS }, (_, row) => {
    const characters = Array.from({ length: COLUMNS }, (_, column) => {
      const code = memory[(row * COLUMNS + column) * 2] ?? 0;
      return signs[code] ?? (code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : code === 0 ? " " : "¿");
    });
    return characters.join("").trimEnd();
  });
  const start = rows.findLastIndex((row) => row.startsWith(first));
  return start < 0 ? rows : rows.slice(start, start + ROWS);
}
