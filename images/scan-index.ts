import type { KeyObject } from "node:crypto";
import { Fault } from "../fault.ts";
import type { Manifest } from "./manifest.ts";
import { decodeManifest } from "./manifest-codec.ts";

/** What the scanned file looked like, to notice that it became another one. */
export type ScannedFile = {
  /** As `ForeignImage.format`: "raw", "udzo". */
  readonly format: string;
  /** Of a folder or an image in pieces all files together. */
  readonly files: number;
  readonly sizeBytes: number;
  /** Of the newest of its files, in nanoseconds since 1970. */
  readonly modifiedNs: string;
};

/**
 * A scan index: the manifest of a disk image that stays where it is. Big-endian.
 *
 *    0  magic "bootscan"
 *    8  u16  format version, 1
 *   10  u16  0
 *   12  u32  length of the file's facts
 *   16  the facts, JSON
 *       the signed manifest (manifest-codec.ts) to the end
 *
 * Its packs are not compressed ("stored"), so that they can be made from the
 * file's content alone, when they are asked for: where a pack lies is told by
 * its cells, and where a cell lies in the file by the format of the file. Of a
 * compressed .dmg a pack is decoded from one or two chunks each time; nothing is
 * copied. The facts are not signed: they only say early what a pack's digest says in any case.
 */
const MAGIC = "bootscan";
const VERSION = 1;
const FRONT_BYTES = 16;
const MOST_FACT_BYTES = 65536;

export function encodeScanIndex(file: ScannedFile, manifestBytes: Uint8Array): Uint8Array {
  const { format, files, sizeBytes, modifiedNs } = file;
  const facts = Buffer.from(JSON.stringify({ format, files, sizeBytes, modifiedNs }));
  const front = Buffer.alloc(FRONT_BYTES);
  front.write(MAGIC, "latin1");
  front.writeUInt16BE(VERSION, 8);
  front.writeUInt32BE(facts.length, 12);
  return Buffer.concat([front, facts, manifestBytes]);
}

/** @throws {Fault} SCAN_INDEX_INVALID; those of `decodeManifest` */
export function decodeScanIndex(
  bytes: Uint8Array,
  trusted: readonly KeyObject[],
): { readonly file: ScannedFile; readonly manifest: Manifest; readonly manifestBytes: Uint8Array } {
  const front = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isIndex = front.length >= FRONT_BYTES && front.toString("latin1", 0, MAGIC.length) === MAGIC;
  if (!isIndex || front.readUInt16BE(10) !== 0) throw invalid("it does not begin as one");
  if (front.readUInt16BE(8) !== VERSION) throw invalid(`its format version is ${front.readUInt16BE(8)}`);
  const end = FRONT_BYTES + front.readUInt32BE(12);
  if (end > FRONT_BYTES + MOST_FACT_BYTES || end > front.length) throw invalid("it is cut off");
  const file = factsOf(front.subarray(FRONT_BYTES, end));
  const manifestBytes = bytes.subarray(end);
  return { file, manifest: decodeManifest(manifestBytes, trusted), manifestBytes };
}

function factsOf(text: Buffer): ScannedFile {
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw invalid("what it says of the file is not JSON", cause);
  }
  const { format, files, sizeBytes, modifiedNs } = Object(value) as Record<string, unknown>;
  const isText = typeof format === "string" && typeof modifiedNs === "string";
  if (!isText || typeof files !== "number" || typeof sizeBytes !== "number")
    throw invalid("it does not say which file it is of");
  return { format, files, sizeBytes, modifiedNs };
}

function invalid(rule: string, cause?: unknown): Fault {
  return new Fault(
    "SCAN_INDEX_INVALID",
    {
      what: `The scan index cannot be used: ${rule}.`,
      why: "It was cut off, or made by another version of bootcast.",
      fix: 'Make it again: "bootcast image scan FILE", or remove it: then the file is scanned each time.',
    },
    cause,
  );
}
