import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * The few ways in which the agent looks at /proc and /sys. Everything that
 * reads a machine takes this as an argument, so a test can hand it the recorded
 * tree of another machine.
 */
export type MachineFiles = {
  /** The bytes of a file; undefined when it is not there or the driver refuses to say. */
  bytes(path: string): Uint8Array | undefined;
  /** The same as text, without the white space and NUL bytes around it; empty when there is nothing. */
  text(path: string): string;
  /** The names in a directory, sorted; none when it is not there. */
  list(path: string): string[];
  /** Where a symbolic link points, as it is written there; empty when it is none. */
  link(path: string): string;
};

/** The machine that this process runs on. */
export const thisMachine: MachineFiles = {
  bytes(path) {
    try {
      return readFileSync(path);
    } catch {
      // Absent, or a driver's "invalid argument" (the speed of a card without a cable): both say nothing.
      return undefined;
    }
  },
  text(path) {
    return plainText(thisMachine.bytes(path));
  },
  list(path) {
    try {
      return readdirSync(path).sort();
    } catch {
      return [];
    }
  },
  link(path) {
    try {
      return readlinkSync(path);
    } catch {
      return "";
    }
  },
};

/** Kernel text as it is shown to people: NUL bytes and white space around it removed. */
export function plainText(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return "";
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8").replaceAll("\0", " ").trim();
}
