import type { Menu, MenuEntry } from "./menu.ts";
import { plainText } from "./plain-text.ts";

export type MenuScriptInput = {
  readonly mac: string;
  /** "http://10.77.0.1:8440". */
  readonly server: string;
  /** Where this machine's script is. */
  readonly scriptUrl: string;
  readonly menu: Menu;
};

/** iPXE's menu has 80 columns, and leaves two on each side, and two more on each side of an entry. */
const TITLE_CHARACTERS = 76;
const ENTRY_CHARACTERS = 68;
/** A person who is asked something and goes away: the machine starts its disk. */
const ANSWER_WITHIN_MS = 60_000;

/**
 * A machine's menu in iPXE's language. `menu`, `item` and `choose` are in every iPXE that Debian builds; an iPXE
 * without them, the Escape key and the end of the time all start the disk. As soon as a key is pressed iPXE stops
 * the clock of the screen that it shows: somebody is there.
 *
 * The PIN is chosen digit by digit in a menu, because iPXE has no question that is both hidden and ends by itself.
 * It goes to the server as a digest (RFC 7616), which iPXE makes of the password in the URL, and never as it is;
 * iPXE shows the URL without it.
 */
export function menuLines(input: MenuScriptInput): string[] {
  const { mac, server, menu } = input;
  const orders = menu.entries.filter(isOrder);
  const title = `menu bootcast: ${plainText(menu.hostName, TITLE_CHARACTERS - 10)}`;
  const known = menu.hostName === mac ? "" : mac;
  const machine = [known, plainText(menu.model, 30), server.replace("http://", "server ")].filter(
    (part) => part !== "",
  );
  return [
    ":menu",
    `${title} || goto disk`,
    `item --gap -- ${machine.join(", ")}`,
    "item --gap",
    ...menu.entries.flatMap(itemLines),
    "item --gap",
    "item --gap -- Arrow keys and Enter, or the key in front.",
    "item --gap -- When no key is pressed, it starts from its disk.",
    `choose --default disk --timeout ${menu.seconds * 1000} choice || goto disk`,
    `goto \${choice}`,
    ":disk",
    "echo bootcast: it starts from its own disk now.",
    "exit 1",
    ...menu.entries.flatMap((entry) => deedLines(entry, server)),
    ...(orders.length === 0 ? [] : confirmLines(title, server.replace("http://", ""), input)),
  ];
}

type OrderEntry = MenuEntry & { readonly does: { readonly type: "order" } };

function isOrder(entry: MenuEntry): entry is OrderEntry {
  return entry.does.type === "order";
}

function labelOf({ does }: MenuEntry): string {
  return does.type === "order" ? `order${does.number}` : does.type;
}

function itemLines(entry: MenuEntry): string[] {
  const title = plainTitle(entry.title);
  const item = `item --key ${entry.key} ${labelOf(entry)} [${entry.key}] ${title}`;
  if (entry.does.type !== "memory-test") return [item];
  // Which machine it is is known to iPXE alone.
  return [
    ...(entry.does.bios === undefined ? [] : [`iseq \${platform} pcbios && ${item} ||`]),
    ...(entry.does.x64 === undefined ? [] : [`iseq \${platform}-\${buildarch} efi-x86_64 && ${item} ||`]),
  ];
}

function deedLines(entry: MenuEntry, server: string): string[] {
  const { does } = entry;
  switch (does.type) {
    case "disk":
      return [];
    case "memory-test":
      return [
        ":memory-test",
        "imgfree",
        ...(does.bios === undefined ? [] : [`iseq \${platform} pcbios && chain ${server}/boot/${does.bios} ||`]),
        ...(does.x64 === undefined ? [] : [`iseq \${platform} efi && chain ${server}/boot/${does.x64} ||`]),
        "goto menu",
      ];
    case "order":
      return [
        `:order${does.number}`,
        `set order ${does.number}`,
        ...does.question.map((line, index) => `set question${index} ${plainText(line, ENTRY_CHARACTERS)}`),
        `set yes ${plainText(does.yes, ENTRY_CHARACTERS)}`,
        "goto confirm",
      ];
  }
}

/** One question and one PIN pad for all orders: what is asked stands in settings. */
function confirmLines(title: string, address: string, { mac, scriptUrl, menu }: MenuScriptInput): string[] {
  const digits = Array.from({ length: 10 }, (_, digit) => `item --key ${digit} ${digit} [${digit}]`);
  return [
    ":confirm",
    `${title} || goto disk`,
    `item --gap -- \${question0}`,
    `item --gap -- \${question1}`,
    `item --gap -- \${question2}`,
    "item --gap",
    "item --key n no [n] No, back to the menu",
    `item --key y yes [y] \${yes}`,
    `choose --default no --timeout ${ANSWER_WITHIN_MS} choice || goto disk`,
    `iseq \${choice} yes || goto menu`,
    ":again",
    "clear pin ||",
    "clear stars ||",
    ":pin",
    `${title} || goto disk`,
    `item --gap -- \${question0}`,
    `item --gap -- \${question1}`,
    "item --gap",
    `item --gap -- Type the PIN: \${stars}`,
    "item --gap",
    "item --key n no [n] No, back to the menu",
    "item --key c clear [c] Clear what was typed",
    ...digits,
    `choose --default no --timeout ${ANSWER_WITHIN_MS} choice || goto disk`,
    `iseq \${choice} no && goto menu ||`,
    `iseq \${choice} clear && goto again ||`,
    `set pin \${pin}\${choice}`,
    `set stars \${stars}*`,
    // Sent with its last digit: the end of the time takes the default, and that must never be to send.
    `iseq \${stars} ${"*".repeat(menu.pinDigits)} || goto pin`,
    `chain --replace http://menu:\${pin}@${address}/boot/order.ipxe?mac=${mac}&ticket=${menu.ticket}&order=\${order}&uuid=\${uuid} ||`,
    "clear pin ||",
    // The answer may have been lost after the order was given: only the server knows what holds now.
    "echo bootcast: no answer came; the line above says why. It may be ordered or not:",
    "echo bootcast: the server is asked what holds.",
    "sleep 5",
    `chain --replace ${scriptUrl} || goto menu`,
  ];
}

/** Titles are our own words around an image's name; the apostrophe is harmless in iPXE. */
function plainTitle(title: string): string {
  return title
    .split("'")
    .map((part) => plainText(part, ENTRY_CHARACTERS))
    .join("'");
}
