import type { PropertyEdit } from "./property-list.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A value of the list: its own stretch of the text, and of a dictionary its keys with theirs. */
type Node = {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Of a dictionary: where its end tag begins (of `<dict/>`: undefined). */
  readonly endTagAt?: number;
  readonly entries: readonly { readonly key: string; readonly from: number; readonly value: Node }[];
};

/** As `editPropertyList`, of an XML list. */
export function editXmlPropertyList(bytes: Uint8Array, edits: readonly PropertyEdit[]): Uint8Array {
  let text = utf8.decode(bytes);
  // One after the other: each changes the places of what follows it.
  for (const { keys, text: value } of edits) text = edited(text, rootOf(text), keys, value);
  return Buffer.from(text);
}

function edited(text: string, node: Node, keys: readonly string[], value: string | undefined): string {
  const [key = "", ...deeper] = keys;
  if (node.name !== "dict") throw new Error(`"${key}" would be inside a ${node.name} and not a dictionary`);
  const entry = node.entries.findLast((each) => each.key === key);
  if (deeper.length > 0 && entry !== undefined) return edited(text, entry.value, deeper, value);
  if (value === undefined) {
    if (entry === undefined) return text;
    // With the blank line that its indentation would leave.
    const from = text.slice(0, entry.from).search(/[\t ]*$/);
    const after = text.slice(entry.value.to);
    return text.slice(0, from) + after.slice(/^[\t ]*\n/.exec(after)?.[0].length ?? 0);
  }
  const element = deeper.reduceRight(
    (inside, name) => `<dict><key>${escaped(name)}</key>${inside}</dict>`,
    `<string>${escaped(value)}</string>`,
  );
  if (entry !== undefined) {
    if (entry.value.name === "string" && plainTextOf(text.slice(entry.value.from, entry.value.to)) === value)
      return text;
    return text.slice(0, entry.value.from) + element + text.slice(entry.value.to);
  }
  const added = `<key>${escaped(key)}</key>${element}`;
  if (node.endTagAt === undefined) return `${text.slice(0, node.from)}<dict>${added}</dict>${text.slice(node.to)}`;
  return `${text.slice(0, node.endTagAt)}${added}\n${text.slice(node.endTagAt)}`;
}

type Token = {
  readonly kind: "open" | "close" | "empty";
  readonly name: string;
  readonly from: number;
  readonly to: number;
};

/** The dictionary that the list consists of. @throws {Error} where it is no well-formed list */
function rootOf(text: string): Node {
  const tokens = tokensOf(text);
  const first = tokens.next().value;
  const token = first?.name === "plist" && first.kind === "open" ? tokens.next().value : first;
  if (token?.name !== "dict") throw new Error("it is no dictionary");
  return nodeOf(text, token, tokens);
}

const MOST_DEPTH = 64;

function nodeOf(text: string, first: Token, tokens: Iterator<Token, undefined>, depth = 0): Node {
  const { name, from } = first;
  if (first.kind === "close" || depth > MOST_DEPTH) throw new Error("its tags do not fit together");
  if (first.kind === "empty") return { name, from, to: first.to, entries: [] };
  const entries: { key: string; from: number; value: Node }[] = [];
  for (;;) {
    const token = tokens.next().value;
    if (token === undefined) throw new Error(`its ${name} has no end`);
    if (token.kind === "close") {
      if (token.name !== name) throw new Error(`its ${name} is ended by a ${token.name}`);
      return { name, from, to: token.to, endTagAt: token.from, entries };
    }
    if (name !== "dict") {
      nodeOf(text, token, tokens, depth + 1);
      continue;
    }
    if (token.name !== "key") throw new Error(`a ${token.name} stands where a key is expected`);
    const keyNode = nodeOf(text, token, tokens, depth + 1);
    const valueToken = tokens.next().value;
    if (valueToken === undefined) throw new Error("a key has no value");
    const value = nodeOf(text, valueToken, tokens, depth + 1);
    entries.push({ key: plainTextOf(text.slice(keyNode.from, keyNode.to)), from: keyNode.from, value });
  }
}

/** The tags, without comments, instructions and what is in CDATA sections. */
function* tokensOf(text: string): Generator<Token, undefined> {
  const pattern =
    /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<\?[\s\S]*?\?>|<!DOCTYPE[^>[]*>|<(\/?)([A-Za-z][\w.-]*)(?:\s[^<>]*?)?(\/?)>/g;
  for (const match of text.matchAll(pattern)) {
    const [whole, close, name, empty] = match;
    if (name === undefined) continue;
    const kind = close === "/" ? "close" : empty === "/" ? "empty" : "open";
    yield { kind, name, from: match.index, to: match.index + whole.length };
  }
  return undefined;
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** What stands between the tags of an element that has only text in it. */
function plainTextOf(element: string): string {
  const inside = element.replace(/^<[^>]*>/, "").replace(/<\/[^<>]*>$/, "");
  return inside.replaceAll(
    /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|&(#x[0-9a-f]+|#\d+|\w+);/gi,
    (whole, data, entity) => {
      if (entity === undefined) return data ?? "";
      if (!entity.startsWith("#")) return entities[entity] ?? whole;
      const code = Number(entity.replace("#x", "0x").replace("#X", "0x").replace("#", ""));
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
