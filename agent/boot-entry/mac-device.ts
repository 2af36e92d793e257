/** Apple's own variables: bless(8) writes the first, and the system's driver makes the second of it for the firmware. */
export const APPLE_VARIABLES = "7c436110-ab2a-4bbb-a880-fe41995c9f82";
export const macVariables = ["efi-boot-device", "efi-boot-device-data"] as const;
export type MacVariable = (typeof macVariables)[number];

/** Non-volatile, for boot services and for the running system (UEFI section 8.2). */
const ATTRIBUTES = 7;

/** A partition of a GPT, as the firmware finds it again. */
export type MacPartition = {
  readonly number: number;
  readonly startSectors: number;
  readonly sizeSectors: number;
  /** Its own GUID, not that of its type. */
  readonly guid: string;
};

/** What becomes of a variable: its whole file in efivarfs; undefined: it is removed. */
export type VariableChange = { readonly name: MacVariable; readonly content: Uint8Array | undefined };

/**
 * What makes a Mac's firmware start the blessed folder of a partition. Nothing when it does so already: on a Mac that
 * was restored before, the recorded variable names this very partition, with the whole way to its controller.
 *
 * @param recorded the variable files that are there now
 * @param target undefined: no Mac volume is to be started; what was blessed is gone, and would hold up each start
 */
export function macBootDevicePlan(
  recorded: Readonly<Partial<Record<MacVariable, Uint8Array>>>,
  target: MacPartition | undefined,
): VariableChange[] {
  if (target === undefined) {
    return macVariables.filter((name) => recorded[name] !== undefined).map((name) => ({ name, content: undefined }));
  }
  const data = recorded["efi-boot-device-data"]?.subarray(4);
  if (data !== undefined && partitionOfPath(data) === target.guid.toLowerCase()) return [];
  return [
    { name: "efi-boot-device", content: variable(Buffer.from(`${bootDeviceText(target)}\0`)) },
    { name: "efi-boot-device-data", content: variable(blessedPath(target)) },
  ];
}

function variable(data: Uint8Array): Uint8Array {
  const content = Buffer.alloc(4 + data.length);
  content.writeUInt32LE(ATTRIBUTES, 0);
  content.set(data, 4);
  return content;
}

/** As bless writes it for a volume; without a path, the firmware starts the volume's blessed file. */
function bootDeviceText({ guid, number }: MacPartition): string {
  const match = `<key>IOProviderClass</key><string>IOMedia</string><key>IOPropertyMatch</key><dict><key>UUID</key><string>${guid.toUpperCase()}</string></dict>`;
  return `<array><dict><key>IOMatch</key><dict>${match}</dict><key>BLLastBSDName</key><string>disk0s${number}</string></dict></array>`;
}

/** UEFI sections 10.3.5.1 and 10.3.1: a device path of the short form, which begins with the partition. */
export function blessedPath({ number, startSectors, sizeSectors, guid }: MacPartition): Uint8Array {
  const node = Buffer.alloc(42 + 4);
  node.set([0x04, 0x01, 42, 0]);
  node.writeUInt32LE(number, 4);
  node.writeBigUInt64LE(BigInt(startSectors), 8);
  node.writeBigUInt64LE(BigInt(sizeSectors), 16);
  node.set(guidBytes(guid), 24);
  // A GPT, told apart by a GUID.
  node.set([0x02, 0x02], 40);
  node.set([0x7f, 0xff, 4, 0], 42);
  return node;
}

/** The GUID of the partition that a device path leads to, lower case; undefined: it leads to none, or is no path. */
export function partitionOfPath(path: Uint8Array): string | undefined {
  const bytes = Buffer.from(path.buffer, path.byteOffset, path.byteLength);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at + 2);
    if (length < 4 || at + length > bytes.length) return undefined;
    const isPartition = bytes[at] === 0x04 && bytes[at + 1] === 0x01 && length >= 42;
    if (isPartition && bytes[at + 41] === 0x02) return guidText(bytes.subarray(at + 24, at + 40));
    at += length;
  }
  return undefined;
}

/** The first three fields have their bytes reversed (UEFI appendix A). */
const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

function guidBytes(guid: string): Uint8Array {
  const plain = Buffer.from(guid.replaceAll("-", ""), "hex");
  return Uint8Array.from(order, (from) => plain[from] ?? 0);
}

function guidText(bytes: Uint8Array): string {
  const hex = Buffer.from(order.map((from) => bytes[from] ?? 0)).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
