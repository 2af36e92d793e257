import type { BootPolicy } from "../../bsdp/policy.ts";
import type { Menu } from "./menu.ts";
import { checkedKernelArgs, kernelWords, plainText } from "./plain-text.ts";

export type GrubInput = {
  /** Lower case with colons. */
  readonly mac: string;
  readonly policy: BootPolicy;
  /** "http://10.77.0.1:8440", as the client reached us. */
  readonly server: string;
  readonly kernelArgs: string;
  readonly passServer: boolean;
  /** What the agent shows when it registers. */
  readonly enrolment?: string | undefined;
  /** With the policy "menu". Entries that need the server's answer are not shown: GRUB cannot ask for a PIN. */
  readonly menu?: Menu | undefined;
};

const REASON_CHARACTERS = 69;

/**
 * GRUB's configuration for one machine: what it boots now. For UEFI with Secure Boot (shim and the distribution's
 * GRUB, which starts only signed kernels), 32-bit UEFI and ARM.
 *
 * GRUB knows its own machine: `$grub_cpu` is x86_64, i386 (32-bit UEFI, which starts the 64-bit kernel) or arm64. The
 * files come by HTTP, and by TFTP from a GRUB without HTTP (2.06 under Secure Boot).
 */
export function renderGrub(input: GrubInput): string {
  const { policy, menu, mac } = input;
  if (policy.boot === "agent") return textOf(agentLines(input));
  if (policy.boot === "menu" && menu !== undefined) return textOf(menuLines(input, menu));
  const reason = policy.boot === "nothing" ? policy.reason : "nothing is ordered for it";
  return textOf([
    ...diskFunction,
    echo(`bootcast: this machine is ${mac}`),
    echo(`bootcast: ${plainText(reason, REASON_CHARACTERS)}`),
    "start_disk",
  ]);
}

/**
 * `grub/grub.cfg`, the same for every machine: goes on to this machine's own by HTTP, or by TFTP where GRUB has no
 * HTTP. GRUB's variable `net_default_mac` is the address of the card that it came by.
 *
 * @param mac what stands for that address where GRUB got it another way
 */
export function renderGrubStart(server: string, mac = "$net_default_mac"): string {
  const tries = Array.from({ length: 12 }, (_, index) => index + 1).join(" ");
  return textOf([
    ...diskFunction,
    `for try in ${tries}; do`,
    `  if source "(http,${addressOf(server)})/boot/grub.cfg?mac=${mac}"; then`,
    "    set answered=y",
    `  elif source "(tftp,${hostOf(server)})/grub/host/${mac}/grub.cfg"; then`,
    "    set answered=y",
    "  fi",
    '  if [ "$answered" = "y" ]; then break; fi',
    `  ${echo(`bootcast: no answer from ${server}; the lines above say why.`)}`,
    `  ${echo("bootcast: next try in 5 seconds; after a minute this machine's disk is started.")}`,
    "  sleep 5",
    "done",
    'if [ "$answered" != "y" ]; then start_disk; fi',
  ]);
}

/**
 * `exit` goes back to the firmware, which takes that for success and opens its setup; so the disk's own loader is
 * looked for first. Under Secure Boot the firmware checks it like any other.
 */
const diskFunction = [
  "function start_disk {",
  `  ${echo("bootcast: it boots its own disk now.")}`,
  '  if [ "$grub_platform" = "efi" ]; then',
  "    set loader=BOOTX64.EFI",
  '    if [ "$grub_cpu" = "i386" ]; then set loader=BOOTIA32.EFI; fi',
  '    if [ "$grub_cpu" = "arm64" ]; then set loader=BOOTAA64.EFI; fi',
  "    for file in /EFI/BOOT/$loader /EFI/Microsoft/Boot/bootmgfw.efi; do",
  "      if search --no-floppy --file --set=root $file; then",
  "        if chainloader $file; then boot; fi",
  "      fi",
  "    done",
  "  fi",
  "  exit 1",
  "}",
];

function agentLines({ mac, server, kernelArgs, passServer, enrolment }: GrubInput): string[] {
  const words = [
    ...kernelWords(checkedKernelArgs(kernelArgs)),
    `BOOTIF=01-${mac.replaceAll(":", "-")}`,
    ...(passServer ? [`bootcast.server=${server}`] : []),
    ...(enrolment === undefined ? [] : [`bootcast.enrol=${enrolment}`]),
  ];
  return [
    echo(`bootcast: this machine is ${mac}`),
    echo(`bootcast: it loads the boot image from ${server}`),
    "set folder=",
    'if [ "$grub_cpu" = "arm64" ]; then set folder=/arm64; fi',
    "while true; do",
    `  for from in "(http,${addressOf(server)})/boot" "(tftp,${hostOf(server)})"; do`,
    `    if linux "$from$folder/vmlinuz" ${words.map(quoted).join(" ")}; then`,
    '      if initrd "$from$folder/initramfs.img"; then boot; fi',
    "    fi",
    "  done",
    `  ${echo("bootcast: the boot image did not arrive; the lines above say why. Next try in 5 s.")}`,
    "  sleep 5",
    "done",
  ];
}

function menuLines({ mac, server }: GrubInput, { hostName, model, seconds, entries }: Menu): string[] {
  const name = hostName === mac ? "" : plainText(hostName, 30);
  const about = [name, mac, plainText(model, 24)].filter((part) => part !== "").join("  ");
  return [
    ...diskFunction,
    "set default=0",
    `set timeout=${seconds}`,
    ...entries.flatMap((entry) => {
      if (entry.does.type === "disk") return entryLines(entry, "start_disk");
      if (entry.does.type !== "memory-test" || entry.does.x64 === undefined) return [];
      // Secure Boot locks GRUB down; the memory test is not signed, and the firmware would refuse it.
      return [
        'if [ "$grub_platform-$grub_cpu" = "efi-x86_64" -a "$lockdown" != "y" ]; then',
        ...entryLines(entry, `if chainloader "(http,${addressOf(server)})/boot/${entry.does.x64}"; then boot; fi`),
        "fi",
      ];
    }),
    // GRUB's own title cannot be changed: the last line says which machine it is. It does nothing.
    `menuentry ${quoted(about)} { true; }`,
  ];
}

function entryLines({ title, key }: { readonly title: string; readonly key: string }, command: string): string[] {
  return [`menuentry ${quoted(title)} --hotkey=${key} { ${command}; }`];
}

/** The status of a text that another one reads is that of its last command. */
function textOf(lines: readonly string[]): string {
  return `${[...lines, "true"].join("\n")}\n`;
}

function echo(text: string): string {
  return `echo ${quoted(text)}`;
}

/** Between single quotes GRUB takes everything as it is, but for the quote itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** "10.77.0.1:8440" of "http://10.77.0.1:8440", as GRUB names an HTTP server. */
function addressOf(server: string): string {
  return server.replace("http://", "");
}

/** The same without the port, as it names a TFTP server. */
function hostOf(server: string): string {
  return addressOf(server).replace(/:\d+$/, "");
}
