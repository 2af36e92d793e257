import { constants } from "node:os";
import { cardSlot } from "./firmware-variables.ts";

/**
 * "uefi" checks no signatures; "uefi-secure" has Secure Boot on, with Microsoft's keys; "uefi-ia32" is 32-bit firmware
 * on a 64-bit processor; "uefi-arm64" is another kind of machine altogether.
 */
export type Firmware = "bios" | "uefi" | "uefi-secure" | "uefi-ia32" | "uefi-arm64";

export type Card = "virtio" | "e1000" | "e1000e" | "vmxnet3" | "rtl8139";

/** A virtual machine as it stands on the table: everything but its state. */
export type MachineParts = {
  readonly name: string;
  readonly firmware: Firmware;
  /** In lower case with colons. */
  readonly mac: string;
  /** SMBIOS system UUID. */
  readonly uuid: string;
  /** SMBIOS serial number. */
  readonly serial: string;
  readonly nic: Card;
  /** A tap device of the lab; undefined is a machine without a cable. */
  readonly tap: string | undefined;
  readonly disks: readonly DiskPart[];
  /**
   * "network": the card first (PXE), then the disks, at every start. "http": the same by UEFI HTTP boot. "disk": the
   * card is never asked.
   */
  readonly boot: "network" | "http" | "disk";
  /** BIOS only: a program that is started instead of what the firmware would, as from a stick. */
  readonly program?: string | undefined;
  readonly memoryMebibytes: number;
};

export type DiskPart = {
  /** A raw image file. */
  readonly path: string;
  readonly bus: Bus;
  readonly serial: string;
  /** True: what the machine writes is forgotten when it stops, and the file stays as it is. */
  readonly isThrowAway: boolean;
  /** A sector of 512 bytes, counted from 0, that can be read and not be written. */
  readonly badSector?: number | undefined;
};

/** How a disk is connected; "usb": a stick, which says that it can be taken out. */
export type Bus = "virtio" | "sata" | "nvme" | "usb";

export type MachineFiles = {
  /** UEFI only: this machine's own copy of the firmware's variables. */
  readonly variables: string;
  /** UNIX socket of the monitor. */
  readonly monitor: string;
};

type UefiFiles = { readonly code: string; readonly variables: string };

/** The files of each UEFI firmware: its program, and its variables when it is new. */
export const uefiFiles: Readonly<Record<Exclude<Firmware, "bios">, UefiFiles>> = {
  uefi: { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", variables: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
  "uefi-secure": {
    code: "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
    variables: "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
  },
  "uefi-ia32": {
    code: "/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd",
    variables: "/usr/share/OVMF/OVMF32_VARS_4M.fd",
  },
  "uefi-arm64": { code: "/usr/share/AAVMF/AAVMF_CODE.fd", variables: "/usr/share/AAVMF/AAVMF_VARS.fd" },
};

/** The program that is a machine with this firmware. */
export function qemuProgram(firmware: Firmware): string {
  return firmware === "uefi-arm64" ? "qemu-system-aarch64" : "qemu-system-x86_64";
}

/**
 * An AMD: against Meltdown, which only others have, Linux changes its page tables at each system call, and emulation
 * forgets then all that it knew of them (a small read takes 200 µs instead of 9). An old one: with emulated AVX or SSSE3
 * SHA-256 is slower than the plain code that OpenSSL takes without them.
 */
export const emulatedCpu = "Opteron_G3,misalignsse=off";

/**
 * A command at low priority. Emulation takes all the time that it gets, and nobody counts its seconds; the servers that
 * it talks to, and what is tried beside it, shall not wait for it.
 */
export function givingWay(program: string, args: readonly string[]): [program: string, args: string[]] {
  return ["nice", ["-n", "5", program, ...args]];
}

/**
 * The same, whose output comes through a pipe. What Node gives a program to write to is a socket, in which a single byte
 * takes the room of hundreds: QEMU writes single bytes, and drops what the machine said where it finds no room at once.
 */
export function saidWhole([program, args]: [program: string, args: string[]]): [program: string, args: string[]] {
  return ["bash", ["-c", 'exec "$@" > >(exec cat)', "bash", program, ...args]];
}

/** QEMU's command line. The serial console is QEMU's standard input and output. */
export function qemuArguments(parts: MachineParts, files: MachineFiles): string[] {
  return [
    ...["-name", parts.name, "-nodefaults", "-no-user-config", "-display", "none"],
    // Plain emulation: works without /dev/kvm, and the same everywhere.
    ...["-accel", "tcg,thread=multi", "-cpu", parts.firmware === "uefi-arm64" ? "cortex-a57" : emulatedCpu],
    ...["-smp", "1", "-m", `${parts.memoryMebibytes}`],
    ...firmware(parts, files),
    ...["-uuid", parts.uuid],
    ...["-smbios", `type=1,manufacturer=bootcast,product=lab,serial=${parts.serial},uuid=${parts.uuid}`],
    ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
    ...[
      "-chardev",
      `socket,id=monitor,path=${files.monitor},server=on,wait=off`,
      "-mon",
      "chardev=monitor,mode=control",
    ],
    ...["-device", "virtio-rng-pci"],
    ...network(parts),
    ...(parts.disks.some(({ bus }) => bus === "usb") ? ["-device", "qemu-xhci,id=usb"] : []),
    ...parts.disks.flatMap((disk, index) => drive(parts, disk, index)),
  ];
}

function firmware(parts: MachineParts, files: MachineFiles): string[] {
  // graphics=off: SeaBIOS, and with it iPXE, writes to the serial port what it would show on the screen.
  if (parts.firmware === "bios") {
    return ["-machine", "q35,graphics=off", ...(parts.program === undefined ? [] : ["-kernel", parts.program])];
  }
  return [
    ...uefiMachine(parts.firmware),
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${uefiFiles[parts.firmware].code}`],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${files.variables}`],
  ];
}

function uefiMachine(firmware: Firmware): string[] {
  if (firmware === "uefi-arm64") return ["-machine", "virt,gic-version=3"];
  if (firmware === "uefi") return ["-machine", "q35"];
  // These programs keep their variables behind system management mode, out of the operating system's reach.
  return ["-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"];
}

function network(parts: MachineParts): string[] {
  const model = parts.nic === "virtio" ? "virtio-net-pci" : parts.nic;
  const isNetboot = parts.boot !== "disk";
  // BIOS: the card's ROM is iPXE. UEFI has its own PXE client and drives a virtio card by itself; for other cards it
  // takes the driver from their ROM.
  const hasRom = isNetboot && parts.program === undefined && (parts.firmware === "bios" || parts.nic !== "virtio");
  const rom = hasRom ? "" : ",romfile=";
  // On UEFI the order stands in the firmware's variables. AAVMF's file has no place for them before its first start.
  const hasOrder = parts.firmware === "bios" || parts.firmware === "uefi-arm64";
  const order = isNetboot && hasOrder && parts.program === undefined ? ",bootindex=0" : "";
  const cable =
    parts.tap === undefined
      ? ["user,id=cable,restrict=on"]
      : [`tap,id=cable,ifname=${parts.tap},script=no,downscript=no`];
  return ["-netdev", ...cable, "-device", `${model},netdev=cable,addr=${cardSlot},mac=${parts.mac}${rom}${order}`];
}

function drive(parts: MachineParts, disk: DiskPart, index: number): string[] {
  const snapshot = disk.isThrowAway ? ",snapshot=on" : "";
  // cache=unsafe: what the guest wrote is in this machine's memory, where a killed QEMU does not lose it.
  const options = `if=none,id=disk${index},cache=unsafe,discard=unmap${snapshot}`;
  const order = parts.firmware === "bios" ? `,bootindex=${index + 1}` : "";
  const device = `${deviceOf(disk.bus, index)},drive=disk${index},serial=${disk.serial}${order}`;
  return ["-drive", `${options},${fileOf(disk)}`, "-device", device];
}

function deviceOf(bus: Bus, index: number): string {
  if (bus === "virtio") return "virtio-blk-pci";
  if (bus === "nvme") return "nvme";
  return bus === "sata" ? `ide-hd,bus=ide.${index}` : "usb-storage,bus=usb.0,removable=on";
}

/** Where a disk's bytes are: in a file, with a layer between that refuses what is to fail. */
function fileOf({ path, badSector }: DiskPart): string {
  if (badSector === undefined) return `format=raw,file=${path}`;
  const errors = { event: "none", iotype: "write", sector: badSector, errno: constants.errno.EIO };
  const injected = Object.entries(errors).map(([key, value]) => `file.inject-error.0.${key}=${value}`);
  return ["driver=raw,file.driver=blkdebug", `file.image.driver=file,file.image.filename=${path}`, ...injected].join();
}
