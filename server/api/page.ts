import { Type } from "typebox";
import { Fault } from "../../fault.ts";

/** What a list may be asked for; without a limit all of it comes. */
export const PageQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  /** `next` of the page before. */
  cursor: Type.Optional(Type.String({ maxLength: 500 })),
});
/** In the answer: the cursor of the next page; absent on the last one. */
export const Next = Type.Optional(Type.String());

type Key = string | number;

/**
 * One page of a list. A cursor is the key of the last item that was sent, so what is added or removed in between
 * neither repeats nor hides another item.
 *
 * @param options.keyOf unique
 * @param options.isDescending the highest key first
 * @throws {Fault} CURSOR_INVALID
 */
export function pageOf<T>(
  items: readonly T[],
  { limit, cursor }: Type.Static<typeof PageQuery>,
  options: { keyOf(item: T): Key; readonly isDescending?: boolean },
): { readonly items: T[]; readonly next?: string } {
  const sign = options.isDescending === true ? -1 : 1;
  const compare = (one: Key, other: Key) => (one < other ? -sign : one > other ? sign : 0);
  const sorted = items.toSorted((one, other) => compare(options.keyOf(one), options.keyOf(other)));
  const last = cursor === undefined ? undefined : readCursor(cursor);
  const left = last === undefined ? sorted : sorted.filter((item) => compare(options.keyOf(item), last) > 0);
  const page = left.slice(0, limit);
  const isLast = page.length === left.length;
  return { items: page, ...(isLast ? {} : { next: writeCursor(options.keyOf(page.at(-1)!)) }) };
}

function writeCursor(key: Key): string {
  return Buffer.from(JSON.stringify(key)).toString("base64url");
}

function readCursor(cursor: string): Key {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (typeof key === "string" || typeof key === "number") return key;
  } catch {
    // As below.
  }
  throw new Fault("CURSOR_INVALID", {
    what: "The list cannot be continued there.",
    why: "The cursor is not one that this server made.",
    fix: 'Give back "next" of the page before as it is, or begin without a cursor.',
  });
}
