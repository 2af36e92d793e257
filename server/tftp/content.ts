import { Fault } from "../../fault.ts";
import { findBootFileIn } from "../boot/files.ts";
import type { FileCache } from "./file-cache.ts";
import { netascii } from "./netascii.ts";
import type { TftpRequest } from "./packet.ts";
import { notFound } from "./refusal.ts";
import type { TftpSettings } from "./settings.ts";

/** Netascii is for text; the converted copy is made for each request. */
const largestTextBytes = 1024 * 1024;

/**
 * What a name stands for: something made for the client, or a file.
 *
 * @param path as `pathOfName` gives it
 * @throws {Fault} TFTP_FILE_MISSING, TFTP_MODE_REFUSED and those of `FileCache`
 */
export async function contentOf(
  settings: TftpSettings,
  cache: FileCache,
  { path, mode }: { readonly path: string; readonly mode: TftpRequest["mode"] },
  at: { readonly clientAddress: string; readonly serverAddress: string },
): Promise<Uint8Array> {
  if (mode !== "octet" && mode !== "netascii") throw modeRefused(mode, "Boot files are binary.");
  const bytes = (await settings.generate?.(path, at)) ?? (await fileContent(settings, cache, path));
  if (mode === "octet") return bytes;
  if (bytes.length > largestTextBytes) throw modeRefused(mode, "The file is too large to be text.");
  return netascii(bytes);
}

async function fileContent(settings: TftpSettings, cache: FileCache, path: string): Promise<Uint8Array> {
  for (const name of namesToTry(path)) {
    const places = { directory: settings.root, roots: settings.roots };
    const file = await findBootFileIn(places, name.split("/"), { ignoreCase: true });
    if (file !== undefined) return cache.read(file);
  }
  throw notFound(path);
}

/**
 * A Raspberry Pi asks for its files in a folder that is named by its serial number, and without one where that has no
 * start.elf; all of them share the folder rpi.
 */
function namesToTry(path: string): string[] {
  const [serial, rest] = [path.slice(0, 8), path.slice(9)];
  return /^[0-9a-f]{8}$/i.test(serial) && path[8] === "/" ? [path, `rpi/${rest}`] : [path];
}

function modeRefused(mode: string, why: string): Fault {
  return new Fault("TFTP_MODE_REFUSED", {
    what: `The transfer mode ${JSON.stringify(mode)} is not served.`,
    why,
    fix: "Ask in mode octet (binary).",
  });
}
