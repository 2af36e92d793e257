import { cardSlot } from "./firmware-variables.ts";

/** A virtual machine as it stands on the table: everything but its state. */
export type MachineParts = {
  readonly name: string;
  readonly firmware: "bios" | "uefi";
  /** In lower case with colons. */
  readonly mac: string;
  /** SMBIOS system UUID. */
  readonly uuid: string;
  /** SMBIOS serial number. */
  readonly serial: string;
  readonly nic: "virtio" | "e1000";
  /** A tap device of the lab; undefined is a machine without a cable. */
  readonly tap: string | undefined;
  readonly disks: readonly DiskPart[];
  /** "network": the card first, then the disks, at every start. "disk": the card is never asked. */
  readonly boot: "network" | "disk";
  readonly memoryMebibytes: number;
};

export type DiskPart = {
  /** A raw image file. */
  readonly path: string;
  readonly bus: "virtio" | "sata";
  readonly serial: string;
  /** True: what the machine writes is forgotten when it stops, and the file stays as it is. */
  readonly isThrowAway: boolean;
};

export type MachineFiles = {
  /** UEFI only: this machine's own copy of the firmware's variables. */
  readonly variables: string;
  /** UNIX socket of the monitor. */
  readonly monitor: string;
};

const ovmfCode = "/usr/share/OVMF/OVMF_CODE_4M.fd";
export const ovmfVariables = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/** QEMU's command line. The serial console is QEMU's standard input and output. */
export function qemuArguments(parts: MachineParts, files: MachineFiles): string[] {
  return [
    ...["-name", parts.name, "-nodefaults", "-no-user-config", "-display", "none"],
    // Plain emulation: works without /dev/kvm, and the same everywhere. A CPU without AVX, because emulated AVX makes
    // SHA-256 three to five times slower than the plain code that OpenSSL takes without it.
    ...["-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "1", "-m", `${parts.memoryMebibytes}`],
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
    ...parts.disks.flatMap((disk, index) => drive(parts, disk, index)),
  ];
}

function firmware(parts: MachineParts, files: MachineFiles): string[] {
  // graphics=off: SeaBIOS, and with it iPXE, writes to the serial port what it would show on the screen.
  if (parts.firmware === "bios") return ["-machine", "q35,graphics=off"];
  return [
    ...["-machine", "q35"],
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${ovmfCode}`],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${files.variables}`],
  ];
}

function network(parts: MachineParts): string[] {
  const model = parts.nic === "virtio" ? "virtio-net-pci" : "e1000";
  const isNetboot = parts.boot === "network";
  // BIOS: the card's ROM is iPXE. UEFI: no ROM, so that the firmware's own PXE client has to do it.
  const rom = parts.firmware === "bios" && isNetboot ? "" : ",romfile=";
  // On UEFI the order stands in the firmware's variables.
  const order = isNetboot && parts.firmware === "bios" ? ",bootindex=0" : "";
  const cable =
    parts.tap === undefined
      ? ["user,id=cable,restrict=on"]
      : [`tap,id=cable,ifname=${parts.tap},script=no,downscript=no`];
  return ["-netdev", ...cable, "-device", `${model},netdev=cable,addr=${cardSlot},mac=${parts.mac}${rom}${order}`];
}

function drive(parts: MachineParts, disk: DiskPart, index: number): string[] {
  const snapshot = disk.isThrowAway ? ",snapshot=on" : "";
  // cache=unsafe: what the guest wrote is in this machine's memory, where a killed QEMU does not lose it.
  const file = `if=none,id=disk${index},format=raw,cache=unsafe,discard=unmap${snapshot},file=${disk.path}`;
  const model = disk.bus === "virtio" ? "virtio-blk-pci" : `ide-hd,bus=ide.${index}`;
  const order = parts.firmware === "bios" ? `,bootindex=${index + 1}` : "";
  return ["-drive", file, "-device", `${model},drive=disk${index},serial=${disk.serial}${order}`];
}
