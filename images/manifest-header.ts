import type { ImageTag, Manifest, Partition, PartitionScheme } from "./manifest.ts";
import { invalidManifest } from "./manifest-rules.ts";

/** The part of a manifest that is text: everything but packs, cells and root. */
export type ManifestHeader = Pick<Manifest, "tag" | "diskBytes" | "sectorBytes" | "scheme" | "partitions">;

/**
 * The header as canonical JSON: these keys in this order, no spaces. One value
 * has one spelling, so that a manifest has one digest.
 */
export function encodeHeader({ tag, diskBytes, sectorBytes, scheme, partitions }: ManifestHeader): Uint8Array {
  const { name, version, builder, createdAtMs, notes } = tag;
  const text = JSON.stringify({
    tag: { name, version, builder, createdAtMs, notes },
    diskBytes,
    sectorBytes,
    scheme,
    partitions: partitions.map(({ number, startBytes, sizeBytes, type, label, fileSystem }) => ({
      number,
      startBytes,
      sizeBytes,
      type,
      label,
      fileSystem,
    })),
  });
  return new TextEncoder().encode(text);
}

/**
 * Reads what `encodeHeader` wrote and nothing else.
 *
 * @throws {Fault} MANIFEST_INVALID
 */
export function decodeHeader(bytes: Uint8Array): ManifestHeader {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalidManifest("its header is not JSON", cause);
  }
  const fields = objectOf(value);
  const header: ManifestHeader = {
    tag: tagOf(objectOf(fields["tag"])),
    diskBytes: numberOf(fields["diskBytes"]),
    sectorBytes: numberOf(fields["sectorBytes"]),
    scheme: schemeOf(fields["scheme"]),
    partitions: listOf(fields["partitions"]).map((item) => partitionOf(objectOf(item))),
  };
  if (Buffer.compare(encodeHeader(header), bytes) !== 0) throw invalidManifest("its header is not in canonical form");
  return header;
}

type Fields = Readonly<Record<string, unknown>>;

function tagOf(fields: Fields): ImageTag {
  return {
    name: textOf(fields["name"]),
    version: numberOf(fields["version"]),
    builder: textOf(fields["builder"]),
    createdAtMs: numberOf(fields["createdAtMs"]),
    notes: textOf(fields["notes"]),
  };
}

function partitionOf(fields: Fields): Partition {
  return {
    number: numberOf(fields["number"]),
    startBytes: numberOf(fields["startBytes"]),
    sizeBytes: numberOf(fields["sizeBytes"]),
    type: textOf(fields["type"]),
    label: textOf(fields["label"]),
    fileSystem: textOf(fields["fileSystem"]),
  };
}

function schemeOf(value: unknown): PartitionScheme {
  if (value === "gpt" || value === "mbr" || value === "apm" || value === "none") return value;
  throw invalidManifest("its partition scheme is unknown");
}

function objectOf(value: unknown): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalidManifest("its header has another shape");
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalidManifest("its header has another shape");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw invalidManifest("its header has another shape");
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  throw invalidManifest("its header has another shape");
}
