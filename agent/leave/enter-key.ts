/**
 * Resolves when a line ends on the console, or when `mostMs` is over. A console that is closed, or whose line is hung up,
 * brings no Enter: then the time ends it.
 *
 * @param console where people type: stdin on the machine
 */
export function enterPressed(console: NodeJS.ReadableStream, mostMs: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      console.off("data", hear);
      console.pause();
      resolve();
    };
    const hear = (bytes: Buffer | string) => {
      if (/[\r\n]/.test(bytes.toString())) end();
    };
    const timer = setTimeout(end, mostMs);
    // Heard, so that it does not end the agent.
    console.on("error", () => undefined);
    console.on("data", hear);
    console.resume();
  });
}
