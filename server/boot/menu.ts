import { plainText } from "./plain-text.ts";

/** What a person at the machine may choose. */
export type MenuEntry = {
  /** One letter or digit that chooses it; no two entries have the same. */
  readonly key: string;
  readonly title: string;
  readonly does: MenuDeed;
};

export type MenuDeed =
  | { readonly type: "disk" }
  /** `bios`, `x64`: paths below the boot directory, for those kinds of machine; absent where there is none. */
  | { readonly type: "memory-test"; readonly bios?: string; readonly x64?: string }
  /**
   * Something that the server has to be asked for, with the PIN. `number` names it in the link; `question` is what
   * the person confirms: three lines of at most 68 characters.
   */
  | {
      readonly type: "order";
      readonly number: number;
      readonly question: readonly [string, string, string];
      readonly yes: string;
    };

/** The screen of one machine: the first entry is the default, and is started when nobody chooses. */
export type Menu = {
  /** "lab-07"; a machine that nobody knows has its MAC address here. */
  readonly hostName: string;
  /** "Dell OptiPlex 7090", or empty. */
  readonly model: string;
  /** How long it waits for a person. */
  readonly seconds: number;
  readonly entries: readonly MenuEntry[];
  /** Good for one order from this screen. Empty when nothing can be ordered. */
  readonly ticket: string;
  /** How long the PIN is: it is sent with its last digit. */
  readonly pinDigits: number;
};

/** An image that the menu offers, in the version that is the newest now. */
export type MenuImage = { readonly name: string; readonly version: number };

/** The most images that a menu offers; each has a digit as its key. */
export const MOST_MENU_IMAGES = 8;

/** What an entry orders: this image onto the machine, or the machine's disk as an image of this name. */
export type MenuChoice =
  | { readonly kind: "deploy"; readonly image: MenuImage }
  | { readonly kind: "capture"; readonly image: string };

/** What there is for a machine's menu. */
export type MenuOffer = {
  readonly hostName: string;
  /** In the order of their numbers; empty when nothing may be ordered here. */
  readonly choices: readonly MenuChoice[];
  readonly memoryTest: { readonly bios?: string; readonly x64?: string };
};

/** The entries in the order in which they are shown. Starting the disk comes first: it is the default. */
export function menuEntries({ hostName, choices, memoryTest }: MenuOffer): MenuEntry[] {
  const entries: MenuEntry[] = [{ key: "d", title: "Start from this machine's disk", does: { type: "disk" } }];
  for (const [number, choice] of choices.entries()) {
    entries.push(
      choice.kind === "deploy"
        ? deployEntry(hostName, choice.image, number)
        : captureEntry(hostName, choice.image, number),
    );
  }
  if (memoryTest.bios !== undefined || memoryTest.x64 !== undefined) {
    entries.push({ key: "m", title: "Memory test", does: { type: "memory-test", ...memoryTest } });
  }
  return entries;
}

function deployEntry(hostName: string, { name, version }: MenuImage, number: number): MenuEntry {
  return {
    key: `${number + 1}`,
    title: `Re-image with ${plainText(name, 28)}, version ${version} (erases the disk)`,
    does: {
      type: "order",
      number,
      question: [
        `This machine, ${plainText(hostName, 48)}, is re-imaged.`,
        `Image: ${plainText(name, 40)}, version ${version}`,
        "Everything on its disk is erased, and nothing brings it back.",
      ],
      yes: "Yes, erase the disk and re-image this machine",
    },
  };
}

function captureEntry(hostName: string, image: string, number: number): MenuEntry {
  return {
    key: "c",
    title: "Capture this machine's disk as an image (only reads it)",
    does: {
      type: "order",
      number,
      question: [
        `This machine, ${plainText(hostName, 48)}, is captured.`,
        `Its disk becomes a new version of the image ${plainText(image, 20)}`,
        "Nothing on the disk is changed. It starts from it afterwards.",
      ],
      yes: "Yes, capture the disk of this machine",
    },
  };
}
