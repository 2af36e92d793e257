import { parse, parseBinary } from "plist";
import { nbiFault } from "./nbi-values.ts";

/**
 * The value that a property list holds: XML, binary (what `defaults write`
 * makes of one) or the old text form.
 *
 * @param folder the bundle's path, for the messages
 * @throws {Fault} NBI_PLIST_INVALID
 */
export function parseNbiPlist(bytes: Uint8Array, folder: string): unknown {
  const said: string[] = [];
  try {
    const isBinary = Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "bplist";
    const value = quietly(said, () => (isBinary ? parseBinary(bytes) : parse(utf8.decode(bytes))));
    // The parser mends what is not XML; Apple's does not.
    if (said.length === 0) return value;
  } catch (error) {
    said.push(error instanceof Error ? error.message : String(error));
  }
  const why = `Its NBImageInfo.plist is no property list: ${said[0]!.replaceAll(/\s+/g, " ").trim().slice(0, 200)}.`;
  throw nbiFault(
    "NBI_PLIST_INVALID",
    folder,
    why,
    "Write it as an XML property list; plutil -lint checks it on a Mac.",
  );
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The XML parser below plist writes what it dislikes to the console; that is for the person who reads our fault. */
function quietly<T>(said: string[], parsing: () => T): T {
  const { error, warn } = console;
  console.error = console.warn = (text: unknown) => said.push(String(text).replace(/@#.*$/s, ""));
  try {
    return parsing();
  } finally {
    Object.assign(console, { error, warn });
  }
}
