import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { PassphraseSource } from "../../server/images/passphrase.ts";
import { wholeNumber } from "../settings/option-values.ts";
import { askHidden } from "../terminal/ask-hidden.ts";
import { outputOptions } from "../terminal/output.ts";

/** How a command was told to get the passphrase of an encrypted image. Never as a word of the command line, which everybody can read. */
export type PassphraseFlags = { readonly passphraseFile?: string; readonly passphraseFd?: number };

/** Adds `--passphrase-file` and `--passphrase-fd`. */
export function passphraseOptions(command: Command): Command {
  return command
    .option("--passphrase-file <file>", "the passphrase of an encrypted image: the file's first line")
    .option("--passphrase-fd <number>", "the same from an open file descriptor: 3, as in 3<file", wholeNumber(0, 1023));
}

/**
 * Where the passphrase comes from: what was told, else a question on the
 * terminal; undefined when nobody can be asked.
 *
 * @param path shown in the question
 */
export function passphraseOf(flags: PassphraseFlags, path: string): PassphraseSource | undefined {
  const { passphraseFile, passphraseFd } = flags;
  if (passphraseFile !== undefined && passphraseFd !== undefined) throw bothGiven();
  if (passphraseFile !== undefined || passphraseFd !== undefined) {
    let passphrase: string | undefined;
    return async () => {
      passphrase ??= passphraseFile === undefined ? firstLine(passphraseFd!) : firstLineOfFile(passphraseFile);
      return passphrase;
    };
  }
  const { input, json } = outputOptions();
  if (!input || json || process.stdin.isTTY !== true) return undefined;
  return async (attempt) => {
    if (attempt > 1) process.stderr.write("That was not it.\n");
    return askHidden(`Passphrase of ${path}: `);
  };
}

/** Longer than any passphrase that macOS takes. */
const MOST_BYTES = 4096;

function firstLineOfFile(path: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw unreadable(`The passphrase file ${path} cannot be read.`, error);
  }
  try {
    if (fstatSync(descriptor).isDirectory()) throw isFolder(path);
    return firstLine(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function firstLine(descriptor: number): string {
  const bytes = Buffer.alloc(MOST_BYTES + 1);
  let length = 0;
  try {
    for (let read = 1; read > 0 && length < bytes.length; length += read)
      read = readSync(descriptor, bytes, length, bytes.length - length, null);
  } catch (error) {
    throw unreadable(`The passphrase cannot be read from descriptor ${descriptor}.`, error);
  }
  const line = bytes.toString("utf8", 0, length).split(/\r?\n/, 1)[0]!;
  if (line === "" || length > MOST_BYTES) throw noPassphrase(length);
  return line;
}

function bothGiven(): Fault {
  return new Fault("USAGE", {
    what: "The passphrase was given twice.",
    why: "--passphrase-file and --passphrase-fd both say where it is.",
    fix: "Give one of them.",
  });
}

function unreadable(what: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Fault("PASSPHRASE_UNREADABLE", { what, why, fix: "Check its name and who may read it." }, cause);
}

function isFolder(path: string): Fault {
  return new Fault("PASSPHRASE_UNREADABLE", {
    what: `The passphrase file ${path} cannot be read.`,
    why: "It is a folder.",
    fix: "Give the file in it whose first line is the passphrase.",
  });
}

function noPassphrase(length: number): Fault {
  return new Fault("PASSPHRASE_UNREADABLE", {
    what: "There is no passphrase where it should be.",
    why: length > MOST_BYTES ? `It is longer than ${MOST_BYTES} bytes.` : "The first line is empty.",
    fix: "Write the passphrase, and nothing else, into the first line.",
  });
}
