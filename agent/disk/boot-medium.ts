import type { MachineFiles } from "../machine/machine-files.ts";

/** A volume of this name is a medium of ours: a machine that started from it must not erase it. */
export const BOOT_MEDIUM_LABEL = "BOOTCAST";

const EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const VARIABLES = "/sys/firmware/efi/efivars";
/** efivarfs puts the variable's attributes before its value. */
const ATTRIBUTE_BYTES = 4;

/** A partition as a boot entry names it: its GUID in upper case (GPT), or the disk's signature and its number (MBR). */
export type BootPartition = { readonly guid: string } | { readonly signature: string; readonly number: number };

/**
 * The partition that the firmware started this machine from (BootCurrent); undefined when it came from the network,
 * when the machine has no UEFI, or when the firmware does not say.
 */
export function bootPartition(files: MachineFiles): BootPartition | undefined {
  const current = files.bytes(`${VARIABLES}/BootCurrent-${EFI_GLOBAL}`);
  if (current === undefined || current.length < ATTRIBUTE_BYTES + 2) return undefined;
  const number = Buffer.from(current).readUInt16LE(ATTRIBUTE_BYTES).toString(16).toUpperCase().padStart(4, "0");
  const option = files.bytes(`${VARIABLES}/Boot${number}-${EFI_GLOBAL}`);
  return option === undefined ? undefined : partitionOfLoadOption(option.subarray(ATTRIBUTE_BYTES));
}

const MEDIA = 4;
const HARD_DRIVE = 1;
const END = 0x7f;
const HARD_DRIVE_BYTES = 42;

/** The hard drive node in a boot entry's device path. Source: UEFI 2.10, sections 3.1.3 and 10.3.5.1. */
export function partitionOfLoadOption(option: Uint8Array): BootPartition | undefined {
  const bytes = Buffer.from(option);
  let at = 6;
  // The description ends in a character of two zero bytes.
  while (at + 2 <= bytes.length && bytes.readUInt16LE(at) !== 0) at += 2;
  at += 2;
  while (at + 4 <= bytes.length) {
    const [type, kind] = [bytes[at], bytes[at + 1]];
    const length = bytes.readUInt16LE(at + 2);
    if (type === END || length < 4 || at + length > bytes.length) return undefined;
    if (type === MEDIA && kind === HARD_DRIVE && length >= HARD_DRIVE_BYTES) {
      const node = bytes.subarray(at, at + length);
      const signatureType = node[41];
      if (signatureType === 2) return { guid: guidText(node.subarray(24, 40)) };
      if (signatureType === 1) {
        return { signature: node.readUInt32LE(24).toString(16).padStart(8, "0"), number: node.readUInt32LE(4) };
      }
    }
    at += length;
  }
  return undefined;
}

/** Whether the partition with this PARTUUID (as the kernel writes it) is the one. */
export function isBootPartition(partUuid: string, boot: BootPartition | undefined): boolean {
  if (boot === undefined || partUuid === "") return false;
  if ("guid" in boot) return partUuid.toUpperCase() === boot.guid;
  return partUuid.toLowerCase() === `${boot.signature}-${boot.number.toString(16).padStart(2, "0")}`;
}

function guidText(bytes: Buffer): string {
  const hex = (part: Uint8Array) => Buffer.from(part).toString("hex").toUpperCase();
  const reversed = (from: number, to: number) => hex(Uint8Array.from(bytes.subarray(from, to)).reverse());
  return `${reversed(0, 4)}-${reversed(4, 6)}-${reversed(6, 8)}-${hex(bytes.subarray(8, 10))}-${hex(bytes.subarray(10))}`;
}
