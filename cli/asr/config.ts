import { type PlistValue, parse, parseBinary } from "plist";
import { Fault } from "../../fault.ts";
import { checkGroup } from "../../multicast/group.ts";

/** What an `asr` server configuration (property list) says. Sizes in bytes, rates in bytes per second. */
export type AsrConfig = {
  readonly rateBytesPerSecond: number;
  readonly group: string;
  readonly clientRateBytesPerSecond?: number;
  readonly isAdvertised?: boolean;
  readonly loopSuspend?: number;
  readonly ttl?: number;
  readonly port?: number;
  /** Every key and value as they stand in the file, for the list that asr prints. */
  readonly entries: readonly (readonly [string, string | number | boolean])[];
};

/** What a key may hold. */
export type AsrValue = string | number | boolean;

type Kind = "integer" | "string" | "boolean";

/** Apple's keys, exactly so (asr(8)). */
const kinds: Readonly<
  Record<string, { readonly kind: Kind; readonly isRequired: boolean; readonly least?: number; readonly most?: number }>
> = {
  "Data Rate": { kind: "integer", isRequired: true, least: 1000 },
  "Multicast Address": { kind: "string", isRequired: true },
  "Client Data Rate": { kind: "integer", isRequired: false, least: 1000 },
  "DNS Service Discovery": { kind: "boolean", isRequired: false },
  "Loop Suspend": { kind: "integer", isRequired: false, least: 0 },
  "Multicast TTL": { kind: "integer", isRequired: false, least: 1, most: 255 },
  Port: { kind: "integer", isRequired: false, least: 1, most: 65535 },
};

const BINARY_MAGIC = "bplist00";

/**
 * Reads an asr server configuration, an XML or binary property list.
 *
 * @param path only for the messages
 * @throws {Fault} ASR_CONFIG_INVALID, which names the key and the file
 */
export function decodeAsrConfig(bytes: Uint8Array, path: string): AsrConfig {
  const entries = decodeAsrEntries(bytes, path);
  const values = new Map(entries);
  for (const [key, { isRequired }] of Object.entries(kinds)) {
    if (isRequired && !values.has(key)) throw invalid(path, `The key "${key}" is required and missing.`);
  }
  const group = values.get("Multicast Address") as string;
  try {
    checkGroup(group);
  } catch (error) {
    throw invalid(path, `"Multicast Address": ${(error as Fault).what} ${(error as Fault).why}`, error);
  }
  return {
    rateBytesPerSecond: values.get("Data Rate") as number,
    group,
    ...optional("clientRateBytesPerSecond", values.get("Client Data Rate") as number | undefined),
    ...optional("isAdvertised", values.get("DNS Service Discovery") as boolean | undefined),
    ...optional("loopSuspend", values.get("Loop Suspend") as number | undefined),
    ...optional("ttl", values.get("Multicast TTL") as number | undefined),
    ...optional("port", values.get("Port") as number | undefined),
    entries,
  };
}

/**
 * The keys of a configuration that may still lack required ones, each with its checked value.
 *
 * @throws {Fault} ASR_CONFIG_INVALID
 */
export function decodeAsrEntries(bytes: Uint8Array, path: string): [string, AsrValue][] {
  return Object.entries(decodeDictionary(bytes, path)).map(([key, value]) => [
    key,
    checked(key, kindOf(key, path), value, path),
  ]);
}

/**
 * The value of a key as it is typed on a command line.
 *
 * @throws {Fault} ASR_CONFIG_INVALID
 */
export function valueOfAsrKey(key: string, text: string, path: string): AsrValue {
  const known = kindOf(key, path);
  if (known.kind === "integer") return checked(key, known, /^\d+$/.test(text) ? Number(text) : text, path);
  if (known.kind === "boolean") return checked(key, known, booleans.get(text.toLowerCase()) ?? text, path);
  return checked(key, known, text, path);
}

export function isBinaryPlist(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, BINARY_MAGIC.length)).toString("latin1") === BINARY_MAGIC;
}

const booleans: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["yes", true],
  ["1", true],
  ["false", false],
  ["no", false],
  ["0", false],
]);

function kindOf(key: string, path: string) {
  const known = Object.hasOwn(kinds, key) ? kinds[key] : undefined;
  if (known !== undefined) return known;
  throw invalid(path, `It has the key "${key}", which is none of: ${Object.keys(kinds).join(", ")}.`);
}

function decodeDictionary(bytes: Uint8Array, path: string): Readonly<Record<string, PlistValue>> {
  let value: unknown;
  try {
    value = isBinaryPlist(bytes) ? parseBinary(bytes as never) : parseXml(bytes);
  } catch (error) {
    throw invalid(path, `It is not a property list: ${(error as Error).message}`, error);
  }
  const isDictionary =
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  if (!isDictionary) throw invalid(path, "It is a property list, but not a dictionary.");
  return value as Record<string, PlistValue>;
}

// The parser writes to the console about what is no property list at all, so it does not get that.
function parseXml(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString("utf8");
  if (!/<plist[\s>]/.test(text)) throw new Error("it has no <plist>");
  return parse(text);
}

function checked(
  key: string,
  { kind, least, most }: { readonly kind: Kind; readonly least?: number; readonly most?: number },
  value: PlistValue,
  path: string,
): string | number | boolean {
  if (kind === "integer") {
    if (typeof value !== "number" || !Number.isSafeInteger(value))
      throw invalid(path, `"${key}" must be a whole number.`);
    if (value < (least ?? 0)) throw invalid(path, `"${key}" is ${value}, and must be at least ${least}.`);
    if (value > (most ?? Number.MAX_SAFE_INTEGER))
      throw invalid(path, `"${key}" is ${value}, and must be at most ${most}.`);
    return value;
  }
  if (typeof value !== kind) throw invalid(path, `"${key}" must be ${kind === "string" ? "text" : "true or false"}.`);
  return value as string | boolean;
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}

function invalid(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "ASR_CONFIG_INVALID",
    {
      what: `The server configuration ${path} cannot be used.`,
      why,
      fix: 'It is a property list with at least "Data Rate" (bytes per second) and "Multicast Address" (for instance 239.192.66.1).',
    },
    cause,
  );
}
