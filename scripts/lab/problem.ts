import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The Debian package of every program that the lab calls. `packages.txt` lists the same packages. */
const networkPrograms = { ip: "iproute2", nsenter: "util-linux", setpriv: "util-linux", unshare: "util-linux" };
const machinePrograms = {
  dnsmasq: "dnsmasq-base",
  "qemu-system-aarch64": "qemu-system-arm",
  "qemu-system-x86_64": "qemu-system-x86",
};
const machineFiles = {
  "/usr/share/AAVMF/AAVMF_CODE.fd": "qemu-efi-aarch64",
  "/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd": "ovmf-ia32",
  "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
  "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd": "ovmf",
  "/usr/lib/ipxe/ipxe.lkrn": "ipxe",
  "/usr/lib/ipxe/qemu/pxe-virtio.rom": "ipxe-qemu",
};

/**
 * Why a lab cannot run on this machine, as one sentence; undefined when it can.
 * Tests use it as the reason they are skipped.
 *
 * @param part "network": namespaces, bridges and cables only; "machines": QEMU in them as well
 * @param more further programs that are needed, each with its Debian package
 */
export function labProblem(
  part: "network" | "machines" = "network",
  more: Readonly<Record<string, string>> = {},
): string | undefined {
  if (process.platform !== "linux") return "The lab needs Linux.";
  if (process.getuid?.() !== 0) return "The lab needs root, to make a network of its own.";
  const programs = { ...networkPrograms, ...(part === "machines" ? machinePrograms : {}), ...more };
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!isOnPath(program)) return `The lab needs ${program}: apt-get install ${debianPackage}`;
  }
  if (part === "network") return undefined;
  for (const [file, debianPackage] of Object.entries(machineFiles)) {
    if (!existsSync(file)) return `The lab needs ${file}: apt-get install ${debianPackage}`;
  }
  if (!existsSync("/dev/net/tun")) return "The lab needs /dev/net/tun, to plug machines into its network.";
  return undefined;
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
