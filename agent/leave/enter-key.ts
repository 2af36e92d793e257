/**
 * Resolves when a line ends on the console, or when `mostMs` is over; at once when the console is closed.
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
    console.on("data", hear);
    console.resume();
  });
}
