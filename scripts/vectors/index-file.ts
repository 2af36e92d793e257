import { readFile } from "node:fs/promises";
import { Fault } from "../../fault.ts";

/** A value as it stands in a JSON file. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Addresses and ports of the packet that a vector holds, as far as they are known. */
export type Transport = {
  readonly src?: string;
  readonly sport?: number;
  readonly dst?: string;
  readonly dport?: number;
};

/** One vector of an index file: bytes, and what they mean. */
export type Vector = {
  readonly name: string;
  readonly family: string;
  readonly kind: string;
  readonly layer: string;
  readonly bytes: Uint8Array;
  readonly expect: JsonObject;
  readonly transport?: Transport;
  /** What the server must do with it: a sentence, or an object with `action`. */
  readonly serverBehaviour?: Json;
  /** The request that a reply answers. */
  readonly requestBytes?: Uint8Array;
  /** Settings that are given to the reply builder. */
  readonly input?: JsonObject;
  /** Why it cannot be tried: it has not the form of a vector. It counts as failed, the others are tried. */
  readonly problem?: string;
};

export type VectorFile = {
  /** Who the server is in constructed packets. */
  readonly server: { readonly ip: string; readonly name: string };
  readonly vectors: readonly Vector[];
};

/**
 * Reads an index file of packet vectors (form 1).
 *
 * @throws {Fault} VECTORS_UNREADABLE, VECTORS_ILL_FORMED
 */
export async function readVectorFile(path: string): Promise<VectorFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new Fault(
      "VECTORS_UNREADABLE",
      {
        what: `${path} cannot be read.`,
        why: `${error instanceof Error ? error.message : String(error)}.`,
        fix: "Name an index.json of packet vectors.",
      },
      error,
    );
  }
  let root: Json;
  try {
    root = JSON.parse(text);
  } catch (error) {
    throw illFormed(path, `It is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return vectorFileOf(root, path);
}

/** @throws {Fault} VECTORS_ILL_FORMED */
export function vectorFileOf(root: Json, path: string): VectorFile {
  // The list alone says all that is needed.
  const index = Array.isArray(root) ? { vectors: root } : root;
  if (!isObject(index)) throw illFormed(path, "Its top level is neither an object nor a list");
  const { format = 1, vectors: list } = index;
  if (Number(format) !== 1) throw illFormed(path, `Its "format" is ${JSON.stringify(format)}, not 1`);
  if (!Array.isArray(list)) throw illFormed(path, 'It has no list "vectors"');
  const vectors: { entry: JsonObject; vector: Vector }[] = list.map((entry: Json, at) => {
    return { entry: isObject(entry) ? entry : {}, vector: vectorOrProblem(entry, `entry ${at + 1}`) };
  });
  const byName = new Map<string, Vector>();
  for (const { vector } of vectors) if (!byName.has(vector.name)) byName.set(vector.name, vector);
  const server = isObject(index["server"]) ? index["server"] : {};
  return {
    server: { ip: textOr(server["ip"], "10.0.1.5"), name: textOr(server["name"], "boot1") },
    vectors: vectors.map(({ entry, vector }) => {
      // The bytes of the request stand with the reply; in their place its name may.
      const named = typeof entry["request"] === "string" ? byName.get(entry["request"]) : undefined;
      if (vector.requestBytes !== undefined || named === undefined) return vector;
      return { ...vector, requestBytes: named.bytes };
    }),
  };
}

function vectorOrProblem(entry: Json, place: string): Vector {
  const found = isObject(entry) ? vectorOf(entry, place) : "it is no object";
  if (typeof found !== "string") return found;
  const name = isObject(entry) ? textOr(entry["name"], place) : place;
  return { name, family: "", kind: "", layer: "", bytes: new Uint8Array(0), expect: {}, problem: found };
}

/** @returns a text that says what is wrong with it */
function vectorOf(entry: JsonObject, place: string): Vector | string {
  const { family, layer, expect, serverBehaviour } = entry;
  if (typeof family !== "string") return '"family" is missing or no text';
  if (typeof layer !== "string") return '"layer" is missing or no text';
  if (!isObject(expect)) return '"expect" is missing or no object';
  const bytes = bytesOf(entry["hex"]);
  if (bytes === undefined) return '"hex" is missing or not hexadecimal';
  const request = entry["requestHex"] ?? undefined;
  const requestBytes = bytesOf(request);
  if (request !== undefined && requestBytes === undefined) return '"requestHex" is not hexadecimal';
  const input = entry["input"] ?? undefined;
  if (input !== undefined && !isObject(input)) return '"input" is no object';
  const transport = entry["transport"] ?? undefined;
  if (transport !== undefined && !isObject(transport)) return '"transport" is no object';
  return {
    name: textOr(entry["name"], place),
    family,
    kind: textOr(entry["kind"], ""),
    layer,
    bytes,
    expect,
    ...(transport === undefined ? {} : { transport: transportOf(transport) }),
    ...(serverBehaviour === undefined || serverBehaviour === null ? {} : { serverBehaviour }),
    ...(requestBytes === undefined ? {} : { requestBytes }),
    ...(input === undefined ? {} : { input }),
  };
}

function transportOf({ src, sport, dst, dport }: JsonObject): Transport {
  const port = (value: Json | undefined) => (value === undefined || value === null ? Number.NaN : Number(value));
  return {
    ...(typeof src === "string" ? { src } : {}),
    ...(typeof dst === "string" ? { dst } : {}),
    ...(Number.isInteger(port(sport)) ? { sport: port(sport) } : {}),
    ...(Number.isInteger(port(dport)) ? { dport: port(dport) } : {}),
  };
}

function bytesOf(hex: Json | undefined): Uint8Array | undefined {
  if (typeof hex !== "string") return undefined;
  const digits = hex.replace(/[\s:]+/g, "");
  return /^(?:[0-9a-fA-F]{2})*$/.test(digits) ? new Uint8Array(Buffer.from(digits, "hex")) : undefined;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const textOr = (value: Json | undefined, other: string): string => (typeof value === "string" ? value : other);

function illFormed(place: string, why: string): Fault {
  return new Fault("VECTORS_ILL_FORMED", {
    what: `${place} is not an index of packet vectors.`,
    why: `${why}.`,
    fix: "Look at test/vectors/packets.json for the form.",
  });
}
