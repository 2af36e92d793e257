import type { BootPolicy } from "../../bsdp/policy.ts";
import { Fault } from "../../fault.ts";

export type ScriptInput = {
  /** Lower case with colons. */
  readonly mac: string;
  readonly policy: BootPolicy;
  /** "http://10.77.0.1:8440", as the client reached us. */
  readonly server: string;
  /** Added to the kernel's command line, "console=tty0". */
  readonly kernelArgs: string;
  /** Whether the agent is told the server's address, or finds it by itself. */
  readonly passServer: boolean;
};

/** iPXE shows 80 columns; the words before the text take some. */
const maxReasonCharacters = 69;

/**
 * The iPXE script for one machine: what it boots now.
 *
 * The local disk is reached by leaving iPXE with an error. UEFI goes on to its next boot option only after a failure:
 * success ends its boot order and opens the setup menu (UEFI specification 3.1; tinkerbell/tinkerbell#984,
 * netbootxyz/netboot.xyz#1276; seen with OVMF both ways). After `exit 1` SeaBIOS boots the disk; with a plain `exit`
 * it was not tried.
 */
export function renderScript(input: ScriptInput): string {
  const lines = input.policy.boot === "agent" ? agentLines(input) : localLines(input.mac, input.policy);
  return `${["#!ipxe", ...lines].join("\n")}\n`;
}

function agentLines({ mac, server, kernelArgs, passServer }: ScriptInput): string[] {
  const args = [
    // An EFI kernel finds its initrd by this name, the last part of the initrd's URL.
    "initrd=initramfs.img",
    checkedKernelArgs(kernelArgs),
    // The form PXELINUX made common: hardware type 1 (Ethernet), then the address.
    `BOOTIF=01-${mac.replaceAll(":", "-")}`,
    passServer ? `bootcast.server=${server}` : "",
  ].filter((arg) => arg !== "");
  return [
    "",
    "echo",
    `echo bootcast: this machine is ${mac}`,
    `echo bootcast: it loads the boot image from ${server}`,
    ":load",
    "imgfree",
    `kernel ${server}/boot/vmlinuz ${args.join(" ")} || goto retry`,
    `initrd ${server}/boot/initramfs.img || goto retry`,
    "boot || goto retry",
    ":retry",
    "echo bootcast: the boot image did not arrive. Next try in 5 seconds.",
    "sleep 5",
    "goto load",
  ];
}

function localLines(mac: string, policy: BootPolicy): string[] {
  const reason = policy.boot === "nothing" ? policy.reason : "nothing is ordered for it";
  return [
    "",
    "echo",
    `echo bootcast: this machine is ${mac}`,
    `echo bootcast: ${sayable(reason)}`,
    "echo bootcast: it boots its own disk now.",
    "exit 1",
  ];
}

/** iPXE expands `${...}`, and takes `||` and `&&` as commands: a reason may hold neither. */
function sayable(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9 .,:()/_-]+/g, " ").trim();
  return plain.length > maxReasonCharacters ? `${plain.slice(0, maxReasonCharacters - 3)}...` : plain;
}

/**
 * @throws {Fault} KERNEL_ARGS_INVALID when they would break the script's line
 */
export function checkedKernelArgs(kernelArgs: string): string {
  const args = kernelArgs.trim();
  if (!/[^\x20-\x7e]|\|\||&&|\$\{/.test(args)) return args;
  throw new Fault("KERNEL_ARGS_INVALID", {
    what: `The kernel arguments ${JSON.stringify(args)} cannot be used.`,
    why: "They stand in one line of an iPXE script: no line break, only ASCII, and none of || && ${.",
    fix: "Change boot.kernel_args.",
  });
}
