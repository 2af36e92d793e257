import { type PlistValue, parse } from "plist";

/**
 * The most tags that a property list may have: a disk image's table takes ten.
 * The parser below makes some hundred bytes of objects for each.
 */
const MAX_TAGS = 100_000;

/**
 * The value of an XML property list.
 *
 * @throws {Error} that says why it is none
 */
export function parseXmlPropertyList(bytes: Uint8Array): PlistValue {
  let tags = 0;
  for (let at = bytes.indexOf(LESS_THAN); at !== -1; at = bytes.indexOf(LESS_THAN, at + 1)) {
    tags += 1;
    if (tags > MAX_TAGS) throw new Error(`it has more than ${MAX_TAGS} tags`);
  }
  const text = utf8.decode(bytes);
  // The parser would take the two other forms as well.
  if (!/^\s*</.test(text)) throw new Error("it does not begin with a tag");
  const said: string[] = [];
  const value = quietly(said, () => parse(text));
  // The parser mends what is not XML; Apple's does not.
  if (said[0] !== undefined) throw new Error(said[0].replaceAll(/\s+/g, " ").trim().slice(0, 200));
  return value;
}

const LESS_THAN = 0x3c;
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
