import { Fault } from "../../fault.ts";

/** An asr command line, said in bootcast's words. */
export type AsrTranslation = {
  /** Of `bootcast`; none: asr's help is wanted. */
  readonly words: readonly string[];
  /** What was given and changes nothing here, a sentence each. */
  readonly notes: readonly string[];
  readonly isDebug: boolean;
};

type Verb = "restore" | "server" | "imagescan" | "info" | "version" | "help" | "config";

/** The first word of the newer spelling; restoreexact is asr's name for what every restore is here. */
const verbs: Readonly<Record<string, Verb>> = {
  restore: "restore",
  restoreexact: "restore",
  server: "server",
  imagescan: "imagescan",
  info: "info",
  version: "version",
  help: "help",
  config: "config",
};

/** Options with a value; the older spelling has one dash. `verb`: they say what is to be done, too. */
const valued: Readonly<Record<string, { readonly as: string; readonly verb?: Verb }>> = {
  source: { as: "--source" },
  s: { as: "--source" },
  target: { as: "--target" },
  t: { as: "--target" },
  file: { as: "--file" },
  f: { as: "--file" },
  config: { as: "--config" },
  server: { as: "--config", verb: "server" },
  imagescan: { as: "--source", verb: "imagescan" },
  info: { as: "--source", verb: "info" },
  timeout: { as: "--timeout" },
  interface: { as: "--interface" },
  // bootcast's own, wherever they fit.
  trust: { as: "--trust" },
  "data-dir": { as: "--data-dir" },
  "passphrase-file": { as: "--passphrase-file" },
};

/** Options that are passed on, and the verbs that have them. */
const flags: Readonly<Record<string, readonly Verb[]>> = {
  erase: ["restore"],
  noprompt: ["restore"],
  noverify: ["restore"],
  puppetstrings: ["restore"],
  json: ["restore", "server", "imagescan", "info", "version"],
  quiet: ["restore", "server", "imagescan", "info", "version"],
  "no-input": ["restore", "server", "imagescan", "info", "version"],
};

/** Options that change nothing here, and why. */
const needless: Readonly<Record<string, string>> = {
  verbose: "all steps are always shown",
  nostream: "a scan never reorders the image, so there is nothing to switch off",
  filechecksum: "a scan always takes the SHA-256 of all content",
  SHA256: "a scan always takes the SHA-256 of all content",
  allowfragmentedcatalog: "a restore copies blocks, fragmented or not",
  restoreexact: "every restore is exact, block by block",
};

/** Options that ask for something that bootcast cannot do: ignoring them would do something else than was ordered. */
const impossible: Readonly<Record<string, string>> = {
  format: "The image brings its own file systems; it cannot be restored with another one.",
  toSnapshot: "Snapshots of APFS volumes are not read.",
  fromSnapshot: "Snapshots of APFS volumes are not read.",
  SnapshotUUID: "Snapshots of APFS volumes are not read.",
  useInverter: "It belongs to APFS, which is restored as whole blocks here.",
  useReplication: "It belongs to APFS, which is restored as whole blocks here.",
};

/**
 * Says an asr command line, in the spelling of asr(8) before 10.9 (`-source X -target Y -erase`) or after it
 * (`restore --source X --target Y --erase`) or mixed, in bootcast's words.
 *
 * @throws {Fault} USAGE, ASR_OPTION for what bootcast cannot do
 */
export function translateAsr(given: readonly string[]): AsrTranslation {
  let verb: Verb | undefined;
  let isDebug = false;
  const options: string[] = [];
  const notes: string[] = [];
  const plain: string[] = [];
  const passed: string[] = [];
  const values = new Map<string, string>();
  for (let at = 0; at < given.length; at += 1) {
    const word = given[at]!;
    if (!/^-./.test(word) || verb === "config") {
      const named = verb === undefined && plain.length === 0 ? verbOf(word) : undefined;
      if (named === undefined) plain.push(word);
      else verb = named;
      if (word === "restoreexact") notes.push(note(word));
      continue;
    }
    const [name = "", joined] = splitOption(word);
    const option = Object.hasOwn(valued, name) ? valued[name] : undefined;
    if (option !== undefined) {
      const value = joined ?? given[at + 1];
      if (joined === undefined) at += 1;
      if (value === undefined) throw usage(`${word} needs a value.`);
      if (values.has(option.as)) throw usage(`${option.as} was given twice.`);
      values.set(option.as, value);
      if (option.verb !== undefined) verb = agreed(verb, option.verb);
    } else if (name === "debug") isDebug = true;
    else if (["h", "help"].includes(name)) verb = "help";
    else if (["v", "version"].includes(name)) verb = agreed(verb, "version");
    else if (Object.hasOwn(needless, name)) notes.push(note(word, needless[name]));
    else if (Object.hasOwn(impossible, name)) throw notPossible(word, impossible[name]!);
    else if (Object.hasOwn(flags, name)) passed.push(name);
    else throw usage(`There is no option ${word}.`);
  }
  const done = verb ?? (given.length === 0 ? "help" : "restore");
  for (const name of passed) {
    if (!flags[name]!.includes(done)) throw usage(`--${name} has no meaning with "${done}".`);
    options.push(`--${name}`);
  }
  return { words: wordsOf(done, values, options, plain), notes, isDebug };
}

function wordsOf(verb: Verb, values: Map<string, string>, options: string[], plain: readonly string[]): string[] {
  if (verb === "help") return [];
  if (verb === "version") return ["version", ...options];
  if (verb === "config") return ["asr-config", ...plain];
  if (plain.length > 0) throw usage(`"${plain[0]}" stands alone: a file or a disk belongs to an option.`);
  const source = values.get("--source");
  if (source === undefined) throw usage("--source is missing.");
  if (verb === "restore") return ["restore", ...rest(values, restoreOptions), ...options];
  if (verb === "server") {
    if (!values.has("--config")) throw usage("The server needs its configuration: --config FILE.");
    return ["stream", ...rest(values, serverOptions), ...options];
  }
  values.delete("--source");
  return ["image", verb === "imagescan" ? "scan" : "info", bare(source), ...rest(values, imageOptions), ...options];
}

const restoreOptions = [
  "--source",
  "--target",
  "--file",
  "--timeout",
  "--interface",
  "--trust",
  "--data-dir",
  "--passphrase-file",
];
const serverOptions = ["--source", "--config", "--interface", "--data-dir", "--passphrase-file"];
const imageOptions = ["--data-dir", "--passphrase-file"];

function rest(values: ReadonlyMap<string, string>, allowed: readonly string[]): string[] {
  return [...values].flatMap(([option, value]) => {
    if (!allowed.includes(option)) throw usage(`${option} does not fit here.`);
    return [option, ["--source", "--target", "--file"].includes(option) ? bare(value) : value];
  });
}

// Paths of volumes end in a slash in all of Apple's examples.
function bare(path: string): string {
  return path.replace(/(?<=[^/])\/+$/, "");
}

// "--source=X" is one word; asr knows it in the newer spelling.
function splitOption(word: string): [string, string | undefined] {
  const [, name = "", value] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  return [name, value];
}

function verbOf(word: string): Verb | undefined {
  return Object.hasOwn(verbs, word) ? verbs[word] : undefined;
}

function agreed(before: Verb | undefined, verb: Verb): Verb {
  if (before === undefined || before === verb) return verb;
  throw usage(`"${before}" and "${verb}" are two different things to do.`);
}

function note(word: string, why: string = needless[word]!): string {
  return `${word}: not applicable here; ${why}.`;
}

function notPossible(option: string, why: string): Fault {
  return new Fault("ASR_OPTION", {
    what: `${option} is not possible with bootcast. Nothing was done.`,
    why,
    fix: 'Leave it out; "bootcast asr help" lists what there is.',
  });
}

function usage(why: string): Fault {
  return new Fault("USAGE", {
    what: "The asr command line was not understood. Nothing was done.",
    why,
    fix: '"bootcast asr help" shows both spellings, with examples.',
  });
}
