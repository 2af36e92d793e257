import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { isMissing } from "./store-files.ts";

/** How a pack lies in the store: plain, or sealed with the key of this id. */
export type PackForm = "plain" | (string & {});

/** How the packs of a store lie there, as its file `seal` says. Without that file they are plain. */
export type SealState = {
  /** New packs become this; all of them are when nothing is left in `former`. */
  readonly target: PackForm;
  /** What packs may be besides, while a change of all of them is under way or was interrupted. */
  readonly former: readonly PackForm[];
};

/** Of a store whose packs are plain, and always were. */
export const NEVER_SEALED: SealState = { target: "plain", former: [] };

export function sealStatePath(directory: string): string {
  return join(directory, "seal");
}

/** @throws {Fault} STORE_SEAL_INVALID */
export async function readSealState(directory: string): Promise<SealState> {
  const path = sealStatePath(directory);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return NEVER_SEALED;
    throw error;
  }
  return decodeSealState(text, path);
}

/** One line each, so that people can read it: `packs FORM`, and `formerly FORM` for what is left to be changed. */
export function encodeSealState({ target, former }: SealState): Uint8Array {
  return Buffer.from([`packs ${target}`, ...former.map((form) => `formerly ${form}`), ""].join("\n"));
}

function decodeSealState(text: string, path: string): SealState {
  const form = "plain|[0-9a-f]{32}";
  const [, target, rest] = new RegExp(`^packs (${form})\n((?:formerly (?:${form})\n){0,100})$`).exec(text) ?? [];
  if (target === undefined) throw invalid(path);
  return { target, former: [...rest!.matchAll(/^formerly (.*)$/gm)].map((match) => match[1]!) };
}

function invalid(path: string): Fault {
  return new Fault("STORE_SEAL_INVALID", {
    what: `${path} does not say how the packs of the store are sealed.`,
    why: "It was damaged, or written by another version of bootcast.",
    fix: 'Move it away, and let "bootcast image keys seal --store-key FILE" write it anew: every pack is looked at.',
  });
}
