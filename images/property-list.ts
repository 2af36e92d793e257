import { type PlistValue, parse, parseBinary } from "plist";

/**
 * The most tags that a property list may have: a disk image's table takes ten.
 * The parser below makes some hundred bytes of objects for each.
 */
const MAX_TAGS = 100_000;

/** One text in a property list: dictionaries from the root down to its key. Undefined removes the key. */
export type PropertyEdit = { readonly keys: readonly string[]; readonly text: string | undefined };

/**
 * The value of a property list in any of its forms: XML, binary (what `defaults write` makes of one), old text.
 *
 * @throws {Error} that says why it is none
 */
export function parsePropertyList(bytes: Uint8Array): PlistValue {
  const isBinary = Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "bplist";
  return strictly(() => (isBinary ? parseBinary(bytes) : parse(textOf(bytes))));
}

/**
 * The value of an XML property list.
 *
 * @throws {Error} that says why it is none
 */
export function parseXmlPropertyList(bytes: Uint8Array): PlistValue {
  const text = textOf(bytes);
  // The parser would take the two other forms as well.
  if (!/^\s*</.test(text)) throw new Error("it does not begin with a tag");
  return strictly(() => parse(text));
}

function textOf(bytes: Uint8Array): string {
  let tags = 0;
  for (let at = bytes.indexOf(LESS_THAN); at !== -1; at = bytes.indexOf(LESS_THAN, at + 1)) {
    tags += 1;
    if (tags > MAX_TAGS) throw new Error(`it has more than ${MAX_TAGS} tags`);
  }
  return utf8.decode(bytes);
}

const LESS_THAN = 0x3c;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The XML parser below plist mends what is not XML, and writes what it dislikes to the console; Apple's mends
 * nothing, and what is wrong is for the person who reads our fault.
 */
function strictly<T>(parsing: () => T): T {
  const said: string[] = [];
  const { error, warn } = console;
  console.error = console.warn = (text: unknown) => {
    // The bytes were read strictly: a replacement character is one that somebody wrote.
    if (!/replacement character/.test(String(text))) said.push(String(text).replace(/@#.*$/s, ""));
  };
  let value: T;
  try {
    value = parsing();
  } finally {
    Object.assign(console, { error, warn });
  }
  if (said[0] !== undefined) throw new Error(said[0].replaceAll(/\s+/g, " ").trim().slice(0, 200));
  return value;
}
