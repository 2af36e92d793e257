import assert from "node:assert/strict";
import type { Logger } from "pino";
import type { BootPolicy } from "../../bsdp/policy.ts";
import { Fault } from "../../fault.ts";
import type { CaptureOrders } from "../capture/orders.ts";
import type { EventLog } from "../events.ts";
import { mayBeUuidOf } from "../hosts/host-identity.ts";
import type { Host } from "../hosts/host-record.ts";
import type { Hosts } from "../hosts/hosts.ts";
import { ORDERED_AT_SCREEN } from "../orders/by-hand.ts";
import type { FindImage } from "../orders/deploy-plan.ts";
import type { Deploys } from "../orders/deploys.ts";
import { parseDigest, provesPassword } from "./digest.ts";
import { findBootFile } from "./files.ts";
import { type Menu, type MenuChoice, type MenuImage, MOST_MENU_IMAGES, menuEntries } from "./menu.ts";
import { MenuTickets } from "./menu-tickets.ts";
import { PinGate } from "./pin-gate.ts";

export type MachineMenuOptions = {
  readonly hosts: Pick<Hosts, "idOfMac" | "ofId">;
  readonly deploys: Pick<Deploys, "create">;
  /** Without it no disk can be captured here. */
  readonly captures?: Pick<CaptureOrders, "create">;
  readonly events: EventLog;
  readonly findImage: FindImage;
  policyOf(mac: string): Promise<BootPolicy>;
  readonly bootDirectory: string;
  readonly seconds: number;
  /** Digits. Undefined: nothing can be ordered at the screen. */
  readonly pin: string | undefined;
  /** Names of images that are offered, in their newest version. */
  readonly images: readonly string[];
  readonly now: () => number;
  /** A new unguessable text of letters and digits. */
  readonly random: () => string;
  readonly log: Logger;
};

/** What somebody at a machine's screen asks for. */
export type MenuOrder = {
  readonly mac: string;
  /** The client's address. */
  readonly address: string;
  readonly ticket: string;
  /** The entry's number. */
  readonly order: number;
  /** The machine's own SMBIOS UUID, as its firmware tells it; empty when it has none. */
  readonly uuid: string;
  /** The request as it came: its digest covers it. */
  readonly method: string;
  readonly uri: string;
  readonly authorization: string | undefined;
};

export type MenuAnswer =
  /** The PIN is to be sent with this nonce. */
  | { readonly type: "challenge"; readonly nonce: string }
  /** The order stands; `notice` says which. */
  | { readonly type: "ordered"; readonly notice: string }
  | { readonly type: "refused"; readonly lines: readonly string[] };

const OTHER_MACHINE_FIX = "Nothing was ordered. On the server: bootcast host list, then bootcast deploy.";

const IMAGES_KNOWN_FOR_MS = 5_000;

const memoryTests = { bios: "memtest.bin", x64: "x64/memtest.efi" } as const;

/**
 * The menu on the machines' own screens: what is offered to whom, and the orders that are given there.
 *
 * An order of the screen is an ordinary order for this one machine (`Deploys.create`, `CaptureOrders.create`): everything that protects a
 * disk stands behind it as for any other. In front of it stand: the PIN of the settings; a ticket of the screen that
 * the person saw, good once, from the same address, for the version that was shown; and that the machine is one
 * for which the menu is right now, so a known one with nothing ordered.
 */
export class MachineMenu {
  readonly #options: MachineMenuOptions;
  readonly #tickets: MenuTickets;
  readonly #gate: PinGate;
  #found: { readonly atMs: number; readonly images: Promise<MenuImage[]> } | undefined;

  constructor(options: MachineMenuOptions) {
    this.#options = options;
    this.#tickets = new MenuTickets(options);
    this.#gate = new PinGate(options.now);
  }

  /**
   * The screen of the machine with this MAC address.
   *
   * @param screen `address` of the client; `canOrder`: it can ask for a PIN and send it
   */
  async menuFor(mac: string, screen: { readonly address: string; readonly canOrder: boolean }): Promise<Menu> {
    const { pin, seconds } = this.#options;
    const host = await this.#hostOf(mac);
    const mayOrder = screen.canOrder && pin !== undefined && host !== undefined;
    const choices = mayOrder ? await this.#choices(host) : [];
    const hostName = host?.name ?? mac;
    return {
      hostName,
      model: host === undefined ? "" : `${host.vendor} ${host.model}`.trim(),
      seconds,
      entries: menuEntries({ hostName, choices, memoryTest: await this.#memoryTests() }),
      ticket: choices.length === 0 ? "" : this.#tickets.give({ mac, address: screen.address }, choices),
      pinDigits: pin?.length ?? 0,
    };
  }

  /** Carries out what was chosen, or says why not. Nothing of the PIN is written anywhere. */
  async order(asked: MenuOrder): Promise<MenuAnswer> {
    const { pin, log } = this.#options;
    const { mac, address, ticket } = asked;
    const screen = { client: address, mac };
    if (pin === undefined || !this.#tickets.isGood(asked, ticket)) {
      log.warn(screen, "menu: an order with a link that is not good any more, refused");
      return refused("This screen is too old, so nothing was ordered.");
    }
    // The password is asked for first; the ticket is used up with the answer.
    if (asked.authorization === undefined) return { type: "challenge", nonce: ticket };
    const choices = this.#tickets.take(asked, ticket) ?? [];
    const lockedForMs = this.#gate.lockedForMs(mac);
    if (lockedForMs > 0) return locked(lockedForMs);
    const digest = parseDigest(asked.authorization);
    const { method, uri } = asked;
    if (digest === undefined || !provesPassword(digest, { password: pin, nonce: ticket, method, uri })) {
      return this.#wrongPin(mac, address);
    }
    this.#gate.right(mac);
    const choice = choices[asked.order];
    if (choice === undefined) return refused("There is no such entry in the menu.");
    return this.#create(asked, choice);
  }

  async #create({ mac, address, uuid }: MenuOrder, choice: MenuChoice): Promise<MenuAnswer> {
    const { policyOf, log } = this.#options;
    const { boot } = await policyOf(mac);
    const host = await this.#hostOf(mac);
    if (boot !== "menu" || host === undefined) return refused("Something else was decided for this machine meanwhile.");
    // A network adapter that is carried around: its address was another machine's last, and that one is not here.
    if (!mayBeUuidOf(uuid, host.inventory.uuid)) {
      log.warn(
        { mac, client: address, uuid, host: host.name },
        "menu: asked by another machine than the host, refused",
      );
      return refused(`This machine is not ${host.name}, which used this network card last.`, OTHER_MACHINE_FIX);
    }
    try {
      const { deployId, what } = await this.#order(host, choice);
      log.info(
        { deployId, choice, host: host.name, mac, client: address },
        "menu: ordered at the machine's own screen",
      );
      return { type: "ordered", notice: `session ${deployId}: ${what}` };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      log.warn({ mac, fault: error }, "menu: the order could not be given");
      return refused(error.what, error.why);
    }
  }

  async #order(host: Host, choice: MenuChoice): Promise<{ deployId: number; what: string }> {
    const { deploys, captures } = this.#options;
    if (choice.kind === "deploy") {
      const { name: image, version: imageVersion } = choice.image;
      // The menu shows nothing of what the disks hold, so nothing of it is confirmed.
      const order = { image, imageVersion, to: [host.id], confirmed: [], orderedAt: ORDERED_AT_SCREEN };
      const { deployId } = await deploys.create(order);
      return { deployId, what: `${image}, version ${imageVersion}, for ${host.name}.` };
    }
    assert(captures !== undefined, "a capture was offered");
    const { image } = choice;
    const { deployId } = await captures.create({ host: host.id, image, orderedAt: ORDERED_AT_SCREEN });
    return { deployId, what: `the disk of ${host.name} becomes the image ${image}.` };
  }

  async #wrongPin(mac: string, client: string): Promise<MenuAnswer> {
    const { events, log } = this.#options;
    const what = this.#gate.wrong(mac);
    log.warn({ client, mac, locked: what }, "menu: wrong PIN");
    const hostId = (await this.#hostOf(mac))?.id;
    await events.change(async ({ record }) => {
      await record({ kind: "menu.pin-wrong", hostId, data: { mac, client } });
      if (what !== undefined) await record({ kind: "menu.locked", hostId, data: { mac, client, what } });
    });
    const lockedForMs = this.#gate.lockedForMs(mac);
    return lockedForMs > 0 ? locked(lockedForMs) : refused("The PIN was wrong. Nothing was ordered.");
  }

  async #hostOf(mac: string): Promise<Host | undefined> {
    const { hosts } = this.#options;
    const id = await hosts.idOfMac(mac);
    return id === undefined ? undefined : hosts.ofId(id);
  }

  /** The images, and after them the capture, of which the image is called like the machine. */
  async #choices(host: Host): Promise<MenuChoice[]> {
    const choices: MenuChoice[] = (await this.#images()).map((image) => ({ kind: "deploy", image }));
    if (this.#options.captures !== undefined) choices.push({ kind: "capture", image: host.name });
    return choices;
  }

  /** Looked up once for a room that is switched on together: a manifest is large. */
  #images(): Promise<MenuImage[]> {
    const nowMs = this.#options.now();
    if (this.#found === undefined || nowMs - this.#found.atMs > IMAGES_KNOWN_FOR_MS) {
      this.#found = { atMs: nowMs, images: this.#findImages() };
    }
    return this.#found.images;
  }

  /** An image that is not in the store is not offered. */
  async #findImages(): Promise<MenuImage[]> {
    const { findImage, images, log } = this.#options;
    const found: MenuImage[] = [];
    for (const name of images.slice(0, MOST_MENU_IMAGES)) {
      try {
        const image = await findImage(name, undefined);
        found.push({ name: image.name, version: image.version });
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        log.warn({ image: name, fault: error }, "menu: an image of boot.menu_image is not offered");
      }
    }
    return found;
  }

  async #memoryTests(): Promise<{ bios?: string; x64?: string }> {
    const isThere = async (path: string) =>
      (await findBootFile(this.#options.bootDirectory, path.split("/"))) !== undefined;
    return {
      ...((await isThere(memoryTests.bios)) ? { bios: memoryTests.bios } : {}),
      ...((await isThere(memoryTests.x64)) ? { x64: memoryTests.x64 } : {}),
    };
  }
}

function refused(...lines: string[]): MenuAnswer {
  return { type: "refused", lines };
}

function locked(forMs: number): MenuAnswer {
  const minutes = Math.max(1, Math.ceil(forMs / 60_000));
  return refused(`Too many wrong PINs. Locked for ${minutes} more ${minutes === 1 ? "minute" : "minutes"}.`);
}
