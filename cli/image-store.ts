import { join } from "node:path";
import type { Command } from "commander";
import { Fault } from "../fault.ts";
import { loadSiteKey, type SiteKey } from "../server/keys.ts";
import { type ImageStore, openStore } from "../server/store.ts";
import { configOf } from "./configuration.ts";

/** The image store of the data directory that the running command works on, and the site's key. */
export async function openImageStore(command: Command): Promise<{ store: ImageStore; siteKey: SiteKey }> {
  const { dataDir } = configOf(command);
  const siteKey = await loadSiteKey(dataDir);
  return { store: await openStore(join(dataDir, "store"), [siteKey.publicKey]), siteKey };
}

/** An image as people name it: "lab-debian" is the newest version, "lab-debian:3" the third. */
export function imageReference(text: string): { name: string; version?: number } {
  const [, name, version] = /^([^:]+)(?::([1-9][0-9]{0,8}))?$/.exec(text) ?? [];
  if (name !== undefined) return version === undefined ? { name } : { name, version: Number(version) };
  throw new Fault("USAGE", {
    what: `"${text}" does not name an image.`,
    why: "An image is its name, or its name, a colon and a version number.",
    fix: 'Write it like "lab-debian" or "lab-debian:3".',
  });
}

/** Aborts when the user presses Ctrl-C, so that what was begun is put away; a second Ctrl-C ends at once. */
export function interruptSignal(what: string): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => {
    controller.abort(
      new Fault("INTERRUPTED", { what, why: "Ctrl-C was pressed.", fix: "Start it again when you are ready." }),
    );
  });
  return controller.signal;
}
