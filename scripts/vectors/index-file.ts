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
  if (!isObject(root)) throw illFormed(path, "Its top level is no object");
  if (root["format"] !== 1) throw illFormed(path, `Its "format" is ${JSON.stringify(root["format"])}, not 1`);
  const list = root["vectors"];
  if (!Array.isArray(list)) throw illFormed(path, 'It has no list "vectors"');
  const vectors: { entry: JsonObject; vector: Vector }[] = list.map((entry: Json, at) => {
    if (!isObject(entry)) throw illFormed(path, `Entry ${at + 1} of "vectors" is no object`);
    return { entry, vector: vectorOf(entry, `${path}, entry ${at + 1}`) };
  });
  const byName = new Map<string, Vector>();
  for (const { vector } of vectors) {
    if (byName.has(vector.name)) throw illFormed(path, `Two vectors are named "${vector.name}"`);
    byName.set(vector.name, vector);
  }
  const server = isObject(root["server"]) ? root["server"] : {};
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

function vectorOf(entry: JsonObject, place: string): Vector {
  const text = (key: string): string => {
    const value = entry[key];
    if (typeof value === "string" && value !== "") return value;
    throw illFormed(place, `"${key}" is missing or no text`);
  };
  const name = text("name");
  const within = `${place} ("${name}")`;
  const expect = entry["expect"];
  if (!isObject(expect)) throw illFormed(within, '"expect" is missing or no object');
  const { requestHex, transport, serverBehaviour, input } = entry;
  if (typeof entry["hex"] !== "string") throw illFormed(within, '"hex" is missing or no text');
  if (requestHex !== undefined && typeof requestHex !== "string") throw illFormed(within, '"requestHex" is no text');
  if (input !== undefined && !isObject(input)) throw illFormed(within, '"input" is no object');
  return {
    name,
    family: text("family"),
    kind: text("kind"),
    layer: text("layer"),
    bytes: bytesOf(entry["hex"], within),
    expect,
    ...(transport === undefined ? {} : { transport: transportOf(transport, within) }),
    ...(serverBehaviour === undefined ? {} : { serverBehaviour }),
    ...(requestHex === undefined ? {} : { requestBytes: bytesOf(requestHex, within) }),
    ...(input === undefined ? {} : { input }),
  };
}

function transportOf(value: Json, place: string): Transport {
  if (!isObject(value)) throw illFormed(place, '"transport" is no object');
  const { src, sport, dst, dport } = value;
  return {
    ...(typeof src === "string" ? { src } : {}),
    ...(typeof dst === "string" ? { dst } : {}),
    ...(typeof sport === "number" ? { sport } : {}),
    ...(typeof dport === "number" ? { dport } : {}),
  };
}

function bytesOf(hex: string, place: string): Uint8Array {
  const digits = hex.replace(/\s+/g, "");
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw illFormed(place, "its hexadecimal text has other characters in it");
  return new Uint8Array(Buffer.from(digits, "hex"));
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
