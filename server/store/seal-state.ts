import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { isMissing } from "./files.ts";

/** How a pack lies in the store: plain, or sealed with the key of this id. */
export type PackForm = "plain" | (string & {});

/** How the packs of a store lie there, as its file `seal` says. Without that file they are plain. */
export type SealState = {
  /** New packs become this; all of them are when nothing is left in `former`. */
  readonly target: PackForm;
  /** What packs may be besides, while a change of all of them is under way or was interrupted. */
  readonly former: readonly PackForm[];
  /** Which change wrote this: a UUID. Of two at the same time the later one counts. */
  readonly change: string;
};

/** Of a store whose packs are plain, and always were. */
export const NEVER_SEALED: SealState = { target: "plain", former: [], change: "" };

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

/** One line each, so that people can read it: `packs FORM`, `formerly FORM` for what is left to be changed, `change UUID`. */
export function encodeSealState({ target, former, change }: SealState): Uint8Array {
  return Buffer.from(
    [`packs ${target}`, ...former.map((form) => `formerly ${form}`), `change ${change}`, ""].join("\n"),
  );
}

function decodeSealState(text: string, path: string): SealState {
  const match = /^packs (.*)\n((?:formerly .*\n){0,100})change ([0-9a-f-]{36})\n$/.exec(text);
  const former = [...(match?.[2] ?? "").matchAll(/^formerly (.*)$/gm)].map((line) => line[1]!);
  const [target, change] = [match?.[1], match?.[3]];
  if (target === undefined || change === undefined || ![target, ...former].every(isForm)) throw invalid(path);
  return { target, former, change };
}

function isForm(text: string): boolean {
  return /^(plain|[0-9a-f]{32})$/.test(text);
}

function invalid(path: string): Fault {
  return new Fault("STORE_SEAL_INVALID", {
    what: `${path} does not say how the packs of the store are sealed.`,
    why: "It was damaged, or written by another version of bootcast.",
    fix: 'Move it away, and let "bootcast image keys seal --store-key FILE" write it anew: every pack is looked at.',
  });
}
