import type { MachineFiles } from "../machine/machine-files.ts";

/**
 * Where a disk is connected, in the words of udev's by-path links (systemd, udev-builtin-path_id.c):
 * "pci-0000:00:1f.2-ata-1", "pci-0000:02:00.0-nvme-1", "pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0", "pci-0000:00:04.0".
 * Unlike /dev/sda it stays with the connector. Empty where the bus is none of these.
 *
 * @param link where /sys/block/NAME points, "../devices/pci0000:00/…/block/sda"
 */
export function placeOfDisk(files: MachineFiles, link: string): string {
  const steps = link.split("/").filter((step) => step !== "" && step !== "..");
  const words: string[] = [];
  let isOnUsb = false;
  for (const [index, step] of steps.entries()) {
    const usb = /^(\d+)-([\d.]+):(\d+\.\d+)$/.exec(step);
    const target = /^\d+:(\d+):(\d+):(\d+)$/.exec(step);
    const nvme = /^nvme\d+n(\d+)$/.exec(step);
    if (/^[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(step)) {
      // The last one counts: those before it are bridges.
      words.splice(0, words.length, `pci-${step}`);
    } else if (usb !== null) {
      isOnUsb = true;
      words.splice(1, words.length, `usb-0:${usb[2]}:${usb[3]}`);
    } else if (/^ata\d+$/.test(step)) {
      // The kernel counts all ports of the machine; the port's own number on its controller is a file.
      const port = files.text(`/sys/${steps.slice(0, index + 1).join("/")}/ata_port/${step}/port_no`);
      return words.length > 0 && port !== "" ? [...words, `ata-${port}`].join("-") : "";
    } else if (target !== null && words.length > 0) {
      const host = hostIndex(files, steps.slice(0, index));
      words.push(`scsi-${isOnUsb ? 0 : host}:${target[1]}:${target[2]}:${target[3]}`);
    } else if (nvme !== null && words.length > 0) {
      words.push(`nvme-${nvme[1]}`);
    } else if (/^mmc_host$/.test(step) && words.length === 0) {
      const platform = steps[index - 1] ?? "";
      if (platform !== "") words.push(`platform-${platform}`);
    }
  }
  return words.join("-");
}

/** How many hosts of the same controller come before this one: their numbers count all of the machine. */
function hostIndex(files: MachineFiles, steps: readonly string[]): number {
  const at = steps.findIndex((step) => /^host\d+$/.test(step));
  const own = Number(steps[at]?.slice("host".length) ?? 0);
  const numbers = files
    .list(`/sys/${steps.slice(0, at).join("/")}`)
    .filter((name) => /^host\d+$/.test(name))
    .map((name) => Number(name.slice("host".length)));
  return numbers.length === 0 ? 0 : own - Math.min(own, ...numbers);
}
