import { closeSync, constants, openSync } from "node:fs";
import { ReadStream } from "node:tty";

/** Where keys come from. On a terminal `setRawMode` makes each key count at once, and not the line at its end. */
export type KeySource = NodeJS.ReadableStream & { setRawMode?(isRaw: boolean): unknown };

/**
 * Whether somebody presses a key within `mostMs`, on any of these. One that is closed, or whose line is hung up, brings
 * no key. What was typed before counts as well: it is there when the first of them is read.
 */
export function keyPressed(sources: readonly KeySource[], mostMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isPressed: boolean) => {
      clearTimeout(timer);
      for (const source of sources) {
        source.off("data", press);
        setRaw(source, false);
        source.pause();
      }
      resolve(isPressed);
    };
    const press = () => end(true);
    const timer = setTimeout(() => end(false), mostMs);
    for (const source of sources) {
      // Heard, so that it does not end the agent.
      source.on("error", () => undefined);
      setRaw(source, true);
      source.on("data", press);
      source.resume();
    }
  });
}

/** The same on the machine's own console, and on the screen that a person looks at. */
export async function keyPressedHere(screenPath: string | undefined, mostMs: number): Promise<boolean> {
  const screen = screenPath ? openKeys(screenPath) : undefined;
  try {
    return await keyPressed(screen === undefined ? [process.stdin] : [process.stdin, screen], mostMs);
  } finally {
    screen?.destroy();
  }
}

function openKeys(path: string): ReadStream | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return new ReadStream(file);
  } catch {
    // No terminal after all.
    closeSync(file);
    return undefined;
  }
}

/** A line that is hung up has no modes. */
function setRaw(source: KeySource, isRaw: boolean): void {
  try {
    source.setRawMode?.(isRaw);
  } catch {
    // Then a key counts with Enter behind it.
  }
}
