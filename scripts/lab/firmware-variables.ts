import assert from "node:assert/strict";

/** EFI_GLOBAL_VARIABLE, as bytes. */
const globalVariables = "61dfe48bca93d211aa0d00e098032b8c";
/** OVMF marks with it the boot entries that it makes by itself, and then keeps them. */
const madeByFirmware = "4eac0881119f594d850ee21a522c59b2";

/** Where the first variable stands in OVMF's files: behind the volume's and the store's header. */
const firstVariableAt = 0x64;
const headerBytes = 60;
const nonVolatileBootRuntime = 7;
/** A variable's state: the bit that is cleared when it is deleted. */
const notDeleted = 0x02;

/** The PCI slot of a machine's network card; the boot entry names it. */
export const cardSlot = 2;

/**
 * The firmware's variables of a UEFI machine that a technician has set up:
 * its first boot entry is PXE or HTTP boot over IPv4. The firmware appends what it finds
 * itself, disks before networks, and keeps the order that it is given later.
 *
 * QEMU's own boot order would be shorter to write, but it puts every network
 * entry (PXE and HTTP, IPv4 and IPv6) before the disk, a minute each, and it
 * undoes at every start what the restored system or the agent set.
 *
 * @param initial the file that comes with OVMF: empty, or with the keys of Secure Boot
 * @param mac the card's address, with colons
 */
export function firmwareVariables(initial: Uint8Array, mac: string, boot: "network" | "http" = "network"): Uint8Array {
  const filled = Buffer.from(initial);
  const variables = { Boot0000: networkEntry(mac, boot), BootOrder: Buffer.from([0, 0]) };
  let at = firstVariableAt;
  while (filled.readUInt16LE(at) === variableStart) {
    const nameBytes = filled.readUInt32LE(at + 36);
    const name = filled.toString("utf16le", at + headerBytes, at + headerBytes + nameBytes - 2);
    if (Object.hasOwn(variables, name)) filled[at + 2] = (filled[at + 2] ?? 0) & ~notDeleted;
    at += aligned(headerBytes + nameBytes + filled.readUInt32LE(at + 40));
  }
  assert(filled.readUInt32LE(at) === 0xffff_ffff, "these are not OVMF's variables");
  for (const [name, data] of Object.entries(variables)) {
    const variable = variableOf(name, data);
    filled.set(variable, at);
    at += aligned(variable.length);
  }
  return new Uint8Array(filled);
}

/** Each variable begins at a multiple of four. */
function aligned(bytes: number): number {
  return (bytes + 3) & ~3;
}

const variableStart = 0x55aa;

/** An authenticated variable as EDK2 stores it (AUTHENTICATED_VARIABLE_HEADER, MdeModulePkg VariableFormat.h). */
function variableOf(name: string, data: Uint8Array): Uint8Array {
  const utf16 = Buffer.from(`${name}\0`, "utf16le");
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16LE(variableStart, 0);
  // State: added, header valid.
  header.writeUInt8(0x3f, 2);
  header.writeUInt32LE(nonVolatileBootRuntime, 4);
  // A counter, a time stamp and a key follow, all zero for a variable without a signature.
  header.writeUInt32LE(utf16.length, 36);
  header.writeUInt32LE(data.length, 40);
  header.write(globalVariables, 44, "hex");
  return Buffer.concat([header, utf16, data]);
}

/** An EFI_LOAD_OPTION (UEFI 2.9, 3.1.3), byte for byte as OVMF would write it. */
function networkEntry(mac: string, boot: "network" | "http"): Uint8Array {
  const address = mac.replaceAll(":", "");
  const path = Buffer.concat([
    // ACPI PNP0A03, PciRoot(0).
    node(2, 1, "d041030a00000000"),
    node(1, 1, `00${cardSlot.toString(16).padStart(2, "0")}`),
    // The address in 32 bytes, then the interface type: Ethernet.
    node(3, 11, `${address.padEnd(64, "0")}01`),
    // Local and remote address and port, protocol, whether static, gateway, mask: all left to DHCP.
    node(3, 12, "00".repeat(23)),
    // HTTP boot: an address that DHCP gives.
    ...(boot === "http" ? [node(3, 24, "")] : []),
    node(0x7f, 0xff, ""),
  ]);
  const header = Buffer.alloc(6);
  // LOAD_OPTION_ACTIVE.
  header.writeUInt32LE(1, 0);
  header.writeUInt16LE(path.length, 4);
  const protocol = boot === "http" ? "HTTPv4" : "PXEv4";
  const description = Buffer.from(`UEFI ${protocol} (MAC:${address.toUpperCase()})\0`, "utf16le");
  return Buffer.concat([header, description, path, Buffer.from(madeByFirmware, "hex")]);
}

/** One node of a device path: type, subtype, length with this header, data. */
function node(type: number, subtype: number, hex: string): Uint8Array {
  const data = Buffer.from(hex, "hex");
  return Buffer.concat([Buffer.from([type, subtype, data.length + 4, 0]), data]);
}
