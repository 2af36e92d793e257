import type { BootPolicy } from "../../bsdp/policy.ts";
import type { Menu } from "./menu.ts";
import { menuLines } from "./menu-script.ts";
import { checkedKernelArgs, plainText } from "./plain-text.ts";

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
  /** What the agent shows when it registers. */
  readonly enrolment?: string | undefined;
  /** With the policy "menu". */
  readonly menu?: Menu | undefined;
  /** Shown first: what came of the person's choice. */
  readonly notice?: string;
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
  const { policy, menu, notice } = input;
  const lines = [
    "",
    ...(notice === undefined ? [] : [`echo bootcast: ${plainText(notice, maxReasonCharacters)}`]),
    ...(policy.boot === "agent"
      ? agentLines(input)
      : policy.boot === "menu" && menu !== undefined
        ? menuLines({ ...input, scriptUrl: scriptUrlOf(input), menu })
        : diskLines(input.mac, policy)),
  ];
  return scriptOf(lines);
}

/** Where this machine's script is. The person's screen and a machine that waits ask there again. */
export function scriptUrlOf({ server, mac }: { readonly server: string; readonly mac: string }): string {
  return `${server}/boot/script.ipxe?mac=${mac}`;
}

/**
 * What an iPXE is given that did not ask for a machine's script by itself (`boot.ipxe`, `autoexec.ipxe`): it gets an
 * address, then goes on to the script. Whether something is ordered is not known here, so it does not wait for ever.
 */
export function renderEntryScript(server: string): string {
  return scriptOf([
    "",
    "set tries:uint8 0",
    ":start",
    // A newer iPXE runs autoexec.ipxe before it has asked for an address.
    `isset \${netX/ip} || dhcp || goto retry`,
    `chain --replace ${scriptUrlOf({ server, mac: `\${netX/mac}` })} || goto retry`,
    ":retry",
    "inc tries",
    `iseq \${tries} 12 && exit 1 ||`,
    `echo bootcast: no answer from ${server}; the line above says why.`,
    "echo bootcast: next try in 5 seconds; after a minute the next boot device.",
    "sleep 5",
    "goto start",
  ]);
}

/** Says what came of a choice, and asks again what to boot. */
export function renderNotice(input: {
  readonly mac: string;
  readonly server: string;
  readonly lines: readonly string[];
}): string {
  return scriptOf([
    "",
    "echo",
    ...input.lines.map((line) => `echo bootcast: ${plainText(line, maxReasonCharacters)}`),
    "prompt --timeout 10000 bootcast: press a key to go on. || echo",
    `chain --replace ${scriptUrlOf(input)} || exit 1`,
  ]);
}

function scriptOf(lines: readonly string[]): string {
  return `${["#!ipxe", ...lines].join("\n")}\n`;
}

function agentLines(input: ScriptInput): string[] {
  const { mac, server, kernelArgs, passServer, enrolment } = input;
  const args = [
    // An EFI kernel finds its initrd by this name, the last part of the initrd's URL.
    "initrd=initramfs.img",
    checkedKernelArgs(kernelArgs),
    // The form PXELINUX made common: hardware type 1 (Ethernet), then the address.
    `BOOTIF=01-${mac.replaceAll(":", "-")}`,
    passServer ? `bootcast.server=${server}` : "",
    enrolment === undefined ? "" : `bootcast.enrol=${enrolment}`,
  ].filter((arg) => arg !== "");
  return [
    "echo",
    `echo bootcast: this machine is ${mac}`,
    `echo bootcast: it loads the boot image from ${server}`,
    `set from ${server}/boot`,
    `iseq \${buildarch} arm64 && set from \${from}/arm64 ||`,
    ":load",
    "imgfree",
    "set part the kernel",
    `kernel \${from}/vmlinuz ${args.join(" ")} || goto retry`,
    "set part the initramfs",
    `initrd \${from}/initramfs.img || goto retry`,
    "set part the start of the kernel",
    "boot || goto retry",
    ":retry",
    `echo bootcast: \${part} failed; the line above says why. Next try in 5 seconds.`,
    "sleep 5",
    // Asked anew: the order may have been taken back meanwhile.
    `chain --replace ${scriptUrlOf(input)} || goto load`,
  ];
}

function diskLines(mac: string, policy: BootPolicy): string[] {
  const reason = policy.boot === "nothing" ? policy.reason : "nothing is ordered for it";
  return [
    "echo",
    `echo bootcast: this machine is ${mac}`,
    `echo bootcast: ${plainText(reason, maxReasonCharacters)}`,
    "echo bootcast: it boots its own disk now.",
    "exit 1",
  ];
}
