import { CONTRACT_VERSION, type Inventory } from "../contract.ts";
import { readDisks } from "../disk/disks.ts";
import type { MachineFiles } from "./machine-files.ts";

export type Nic = Inventory["nics"][number];

/**
 * What this machine is, as the server keeps it. Reads /sys and /proc only.
 *
 * @param bootMac the card that the machine booted from, when the boot loader said so
 * @param agentVersion the version of bootcast inside the boot image
 */
export function readInventory(
  files: MachineFiles,
  options: { bootMac: string | undefined; agentVersion: string },
): Inventory {
  const nics = readNics(files);
  // The boot image's own DHCP client leaves there what it was told.
  const dhcpName = /^host_name=(.*)$/m.exec(files.text("/run/bootcast/network"))?.[1]?.trim();
  const dmi = (name: string) => withoutRubbish(files.text(`/sys/class/dmi/id/${name}`));
  return {
    mac: bootCard(nics, options.bootMac),
    uuid: uuidText(files.text("/sys/class/dmi/id/product_uuid")),
    serial: dmi("product_serial"),
    vendor: dmi("sys_vendor"),
    model: dmi("product_name"),
    firmware: files.list("/sys/firmware/efi").length > 0 ? "uefi" : "bios",
    memoryBytes: memoryKibibytes(files, "MemTotal") * 1024,
    cpuCount: files.text("/proc/cpuinfo").match(/^processor\s*:/gm)?.length ?? 1,
    nics,
    disks: readDisks(files),
    agentVersion: options.agentVersion,
    ...(dhcpName === undefined || dhcpName === "" ? {} : { dhcpName: dhcpName.slice(0, 255) }),
    contract: CONTRACT_VERSION,
  };
}

/** Ethernet cards that are hardware: no loopback, bridges, tunnels or VLANs. Sorted by name. */
function readNics(files: MachineFiles): Nic[] {
  const nics: Nic[] = [];
  for (const name of files.list("/sys/class/net")) {
    const at = `/sys/class/net/${name}`;
    const mac = files.text(`${at}/address`).toLowerCase();
    const isHardware = files.link(`${at}/device`) !== "" || files.list(`${at}/device`).length > 0;
    // ARPHRD_ETHER is 1.
    if (!isHardware || files.text(`${at}/type`) !== "1" || !isMac(mac)) continue;
    const megabits = Number(files.text(`${at}/speed`));
    nics.push(megabits > 0 ? { name, mac, linkMegabits: megabits } : { name, mac });
  }
  return nics;
}

/** Bytes of memory that programs can still have, as the kernel estimates it; 0 when it does not say. */
export function availableMemoryBytes(files: MachineFiles): number {
  return memoryKibibytes(files, "MemAvailable") * 1024;
}

/** "mains", "battery" (there is a battery and no mains), or "unknown" when the machine says nothing. */
export type Power = "mains" | "battery" | "unknown";

export function readPower(files: MachineFiles): Power {
  let hasBattery = false;
  for (const name of files.list("/sys/class/power_supply")) {
    const at = `/sys/class/power_supply/${name}`;
    const type = files.text(`${at}/type`);
    // USB-C chargers call themselves USB. A "Device" battery is a mouse's or a keyboard's.
    if ((type === "Mains" || type === "USB") && files.text(`${at}/online`) === "1") return "mains";
    if (type === "Battery" && files.text(`${at}/scope`) !== "Device") hasBattery = true;
  }
  return hasBattery ? "battery" : "unknown";
}

function bootCard(nics: readonly Nic[], bootMac: string | undefined): string {
  return bootMac ?? nics[0]?.mac ?? "00:00:00:00:00:00";
}

function isMac(text: string): boolean {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text);
}

function uuidText(text: string): string {
  const uuid = text.toLowerCase();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return "";
  return /^[0-]+$/.test(uuid) || /^[f-]+$/.test(uuid) ? "" : uuid;
}

function memoryKibibytes(files: MachineFiles, field: string): number {
  const match = new RegExp(`^${field}:\\s*(\\d{1,15}) kB$`, "m").exec(files.text("/proc/meminfo"));
  return match === null ? 0 : Number(match[1]);
}

/** Board makers leave these in the fields that a system builder should have filled. */
const rubbish =
  /^(to be filled by o\.?e\.?m\.?|default string|system (serial number|product name|manufacturer)|not (specified|applicable|available)|none|n\/a|unknown|0+|o\.?e\.?m\.?|chassis serial number)$/i;

function withoutRubbish(text: string): string {
  return rubbish.test(text) ? "" : text;
}
