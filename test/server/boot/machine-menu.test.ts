import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import { MachineMenu, type MenuAnswer, type MenuOrder } from "../../../server/boot/machine-menu.ts";
import { TICKET_FOR_MS } from "../../../server/boot/menu-tickets.ts";
import { LOCKED_FOR_MS, MOST_WRONG_OF_ALL, MOST_WRONG_OF_ONE } from "../../../server/boot/pin-gate.ts";
import { CaptureOrders } from "../../../server/capture/orders.ts";
import { ORDERED_AT_SCREEN } from "../../../server/orders/by-hand.ts";
import { Core, machine } from "../core.ts";

const pin = "490215";
const address = "10.77.0.50";
const directory = await mkdtemp(join(tmpdir(), "bootcast-menu-"));
after(() => rm(directory, { recursive: true, force: true }));

describe("the menu of a machine", () => {
  let core: Core;
  let policy: BootPolicy;
  let menu: MachineMenu;
  let tickets: number;
  const { mac } = machine(7);

  beforeEach(async () => {
    core = await Core.open();
    await core.hosts.register(machine(7));
    policy = { boot: "menu" };
    tickets = 0;
    menu = menuWith({});
  });

  function menuWith(settings: {
    pin?: string | undefined;
    images?: readonly string[];
    hasCaptures?: boolean;
  }): MachineMenu {
    const { db, events, hosts } = core;
    const captures = new CaptureOrders({ db, events, hosts, versionsOf: async () => [], freeBytes: async () => 1e12 });
    return new MachineMenu({
      hosts: core.hosts,
      deploys: core.deploys,
      ...(settings.hasCaptures === true ? { captures } : {}),
      events: core.events,
      findImage: async (name) => {
        if (name === "lab-debian") return { name, version: 3, diskBytes: 2e9, sectorBytes: 512, storedBytes: 1e9 };
        return core.deploys.plan({ image: name, to: "any" }).then(({ image }) => image);
      },
      policyOf: async () => policy,
      bootDirectory: directory,
      seconds: 10,
      pin: "pin" in settings ? settings.pin : pin,
      images: settings.images ?? ["lab-debian"],
      now: () => core.nowMs,
      random: () => {
        tickets += 1;
        return tickets.toString(16).padStart(32, "0");
      },
      log: core.log,
    });
  }

  const screen = (of = mac, from = address) => menu.menuFor(of, { address: from, canOrder: true });

  /** What iPXE sends after the challenge: RFC 7616 with MD5. */
  function digest(password: string, nonce: string, uri: string, method = "GET"): string {
    const md5 = (text: string) => createHash("md5").update(text).digest("hex");
    const who = md5(`menu:bootcast:${password}`);
    const response = md5(`${who}:${nonce}:00000001:12345678:auth:${md5(`${method}:${uri}`)}`);
    return (
      `Digest realm="bootcast", nonce="${nonce}", uri="${uri}", username="menu", qop=auth, algorithm=MD5, ` +
      `cnonce="12345678", nc=00000001, response="${response}"`
    );
  }

  const uriOf = (ticket: string) => `/boot/order.ipxe?mac=${mac}&ticket=${ticket}&order=0`;

  function order(ticket: string, typed: string, more: Partial<MenuOrder> = {}): Promise<MenuAnswer> {
    const uri = uriOf(ticket);
    const authorization = digest(typed, ticket, uri);
    return menu.order({ mac, address, ticket, order: 0, uuid: "", method: "GET", uri, authorization, ...more });
  }

  async function deploys(): Promise<number> {
    return (await core.db.selectFrom("deploys").select("id").execute()).length;
  }

  async function assertRefused(answer: Promise<MenuAnswer>, words: RegExp): Promise<void> {
    const got = await answer;
    assert.equal(got.type, "refused");
    assert.match(got.type === "refused" ? got.lines.join(" ") : "", words);
    assert.equal(await deploys(), 0);
  }

  test("a known machine is offered the image in its newest version", async () => {
    const shown = await screen();
    assert.deepEqual(
      { ...shown, entries: shown.entries.map(({ title }) => title) },
      {
        hostName: "lab-01",
        model: "QEMU Standard PC",
        seconds: 10,
        entries: ["Start from this machine's disk", "Re-image with lab-debian, version 3 (erases the disk)"],
        ticket: "1".padStart(32, "0"),
        pinDigits: 6,
      },
    );
  });

  for (const [why, settings, canOrder, of] of [
    ["there is no PIN", { pin: undefined }, true, mac],
    ["no image is named", { images: [] }, true, mac],
    ["the image is not in the store", { images: ["other"] }, true, mac],
    ["the screen cannot ask for a PIN", {}, false, mac],
    ["nobody knows the machine", {}, true, "52:54:00:ff:ff:ff"],
  ] as const) {
    test(`nothing can be ordered where ${why}`, async () => {
      menu = menuWith(settings);
      const shown = await menu.menuFor(of, { address, canOrder });
      assert.deepEqual([shown.entries.map(({ does }) => does.type), shown.ticket], [["disk"], ""]);
      assert.equal(tickets, 0);
    });
  }

  test("with a PIN the machine's own disk can be captured, as an image of its name", async () => {
    menu = menuWith({ hasCaptures: true });
    const shown = await screen();
    const last = shown.entries.at(-1);
    assert.deepEqual([last?.key, last?.title], ["c", "Capture this machine's disk as an image (only reads it)"]);
    assert.equal(last?.does.type === "order" && last.does.number, 1);
    const uri = `/boot/order.ipxe?mac=${mac}&ticket=${shown.ticket}&order=1`;
    const authorization = digest(pin, shown.ticket, uri);
    const answer = await menu.order({
      mac,
      address,
      ticket: shown.ticket,
      order: 1,
      uuid: "",
      method: "GET",
      uri,
      authorization,
    });
    assert.deepEqual(answer, { type: "ordered", notice: "session 1: the disk of lab-01 becomes the image lab-01." });
    const { kind, state, hosts } = await core.sessions.show(1);
    assert.deepEqual([kind, state, hosts.map(({ name }) => name)], ["capture", "active", ["lab-01"]]);
    const created = (await core.events.list({ deployId: 1 })).find((event) => event.kind === "deploy.created");
    assert.deepEqual(created?.data, { order: "capture", image: "lab-01", orderedAt: ORDERED_AT_SCREEN });
  });

  for (const [why, settings, canOrder, of] of [
    ["there is no PIN", { pin: undefined }, true, mac],
    ["the screen cannot ask for a PIN", {}, false, mac],
    ["nobody knows the machine", {}, true, "52:54:00:ff:ff:ff"],
  ] as const) {
    test(`nothing can be captured where ${why}`, async () => {
      menu = menuWith({ ...settings, hasCaptures: true });
      const shown = await menu.menuFor(of, { address, canOrder });
      assert.deepEqual([shown.entries.map(({ does }) => does.type), shown.ticket], [["disk"], ""]);
    });
  }

  test("the memory test is offered where its file is", async () => {
    await mkdir(join(directory, "x64"));
    await writeFile(join(directory, "x64/memtest.efi"), "x");
    const entries = (await screen()).entries;
    assert.deepEqual(entries.at(-1)?.does, { type: "memory-test", x64: "x64/memtest.efi" });
    await rm(join(directory, "x64"), { recursive: true });
  });

  test("the right PIN makes an order like the command line's, for this machine and this version alone", async () => {
    await core.hosts.register(machine(8));
    const { ticket } = await screen();
    const first = await order(ticket, pin, { authorization: undefined });
    assert.deepEqual(first, { type: "challenge", nonce: ticket });
    assert.equal(await deploys(), 0);
    assert.deepEqual(await order(ticket, pin), {
      type: "ordered",
      notice: "session 1: lab-debian, version 3, for lab-01.",
    });
    const made = await core.db.selectFrom("deploys").selectAll().execute();
    assert.deepEqual(
      made.map(({ image, image_version, to_any, wait_for, state }) => [image, image_version, to_any, wait_for, state]),
      [["lab-debian", 3, 0, 1, "active"]],
    );
    const hosts = await core.db.selectFrom("deploy_hosts").selectAll().execute();
    assert.deepEqual(
      hosts.map(({ host_id, state }) => [host_id, state]),
      [[await core.hosts.idOfMac(mac), "pending"]],
    );
    const event = (await core.events.list()).find(({ kind }) => kind === "deploy.created");
    assert.equal(event?.data["orderedAt"], ORDERED_AT_SCREEN);
    assert.deepEqual(await core.orders.bootPolicyOf(mac), { boot: "agent" });
    // Who is there may still stop it by a key.
    const hostId = (await core.hosts.idOfMac(mac)) ?? "";
    const given = await core.orders.orderFor(hostId, "10.77.0.1");
    assert.equal(given.kind === "deploy" && given.isByHand, true);
  });

  test("a link is good once, also when two come at the same time", async () => {
    const { ticket } = await screen();
    const answers = await Promise.all([order(ticket, pin), order(ticket, pin), order(ticket, pin)]);
    assert.deepEqual(answers.map(({ type }) => type).sort(), ["ordered", "refused", "refused"]);
    assert.equal(await deploys(), 1);
    assert.equal((await order(ticket, pin)).type, "refused");
    // The order is taken back; the old link still orders nothing.
    await core.deploys.cancel(1);
    assert.equal((await order(ticket, pin)).type, "refused");
    assert.equal(await deploys(), 1);
  });

  test("a wrong PIN uses the link up, and says nothing else", async () => {
    const { ticket } = await screen();
    await assertRefused(order(ticket, "490216"), /^The PIN was wrong\. Nothing was ordered\.$/);
    await assertRefused(order(ticket, pin), /too old/);
    const events = await core.events.list();
    assert.deepEqual(
      events.filter(({ kind }) => kind.startsWith("menu.")).map(({ kind, data }) => [kind, data]),
      [["menu.pin-wrong", { mac, client: address }]],
    );
    assert(!JSON.stringify(events).includes("49021"));
  });

  const oldTicket = "9".repeat(32);
  for (const [why, ticketOf, more] of [
    ["made up", () => oldTicket, {}],
    ["empty", () => "", {}],
    ["of another machine", (own: string) => own, { mac: machine(8).mac }],
    ["used from another address", (own: string) => own, { address: "10.77.0.51" }],
  ] as const) {
    test(`a link that is ${why} orders nothing and asks for no PIN`, async () => {
      const { ticket } = await screen();
      await assertRefused(order(ticketOf(ticket), pin, more), /too old/);
      await assertRefused(order(ticketOf(ticket), pin, { ...more, authorization: undefined }), /too old/);
    });
  }

  test("a link ends with its time, and with the next screen of the same machine", async () => {
    const first = await screen();
    const second = await screen();
    await assertRefused(order(first.ticket, pin), /too old/);
    core.nowMs += TICKET_FOR_MS + 1;
    await assertRefused(order(second.ticket, pin), /too old/);
  });

  test("another's question for the same machine's screen does not end the link", async () => {
    const { ticket } = await screen();
    await screen(mac, "10.77.0.99");
    assert.equal((await order(ticket, pin)).type, "ordered");
  });

  const ownUuid = "00112233-4455-6677-8899-aabbccddeeff";
  const otherUuid = "00112233-4455-6677-8899-aabbccddeef0";

  // An adapter was in the machine 7 and is in the machine 9 now: what 9's screen orders must not erase 7.
  for (const [what, uuid, isOrdered] of [
    ["is the host's", ownUuid, true],
    ["is the host's with the bytes in the other order", "33221100-5544-7766-8899-aabbccddeeff", true],
    ["is another machine's", otherUuid, false],
    ["is not told", "", false],
    ["is a board maker's for all", "03000200-0400-0500-0006-000700080009", false],
  ] as const) {
    test(`where the UUID of the machine at the screen ${what}, its host is ${isOrdered ? "" : "not "}ordered`, async () => {
      await core.hosts.register({ ...machine(9), uuid: ownUuid });
      const { ticket } = await screen(machine(9).mac);
      const answer = order(ticket, pin, { mac: machine(9).mac, uuid });
      if (isOrdered) assert.equal((await answer).type, "ordered");
      else await assertRefused(answer, /This machine is not lab-02.*Nothing was ordered/);
    });
  }

  test("a host without a UUID is not ordered from a machine that has one", async () => {
    const { ticket } = await screen();
    await assertRefused(order(ticket, pin, { uuid: otherUuid }), /not lab-01/);
  });

  for (const [why, other] of [
    ["disk", { boot: "disk" }],
    ["agent", { boot: "agent" }],
    ["nothing", { boot: "nothing", reason: "" }],
  ] as const) {
    test(`when the machine is to boot "${why}" meanwhile, nothing is ordered`, async () => {
      const { ticket } = await screen();
      policy = other;
      await assertRefused(order(ticket, pin), /Something else was decided/);
    });
  }

  test("an order that stands already is said, and none is added", async () => {
    const { ticket } = await screen();
    await core.deploys.create({ image: "lab-debian", to: ["lab-01"] });
    const answer = await order(ticket, pin);
    assert.deepEqual(answer, {
      type: "refused",
      lines: ["lab-01 already has an order.", "Session 1 has not finished with it."],
    });
    assert.equal(await deploys(), 1);
  });

  for (const number of [-1, 1, 9, Number.NaN]) {
    test(`the entry ${number} is none`, async () => {
      const { ticket } = await screen();
      await assertRefused(order(ticket, pin, { order: number }), /no such entry/);
    });
  }

  for (const [what, change] of [
    ["for another link", (ticket: string) => digest(pin, ticket, uriOf(oldTicket))],
    ["with another nonce", (ticket: string) => digest(pin, oldTicket, uriOf(ticket))],
    ["for another method", (ticket: string) => digest(pin, ticket, uriOf(ticket), "HEAD")],
    ["as plain text", () => `Basic ${Buffer.from(`menu:${pin}`).toString("base64")}`],
    ["with nothing in it", () => "Digest"],
    ["empty", () => ""],
  ] as const) {
    test(`a PIN that was sent ${what} is a wrong one`, async () => {
      const { ticket } = await screen();
      await assertRefused(order(ticket, pin, { authorization: change(ticket) }), /PIN was wrong/);
    });
  }

  async function wrongFrom(of: string): Promise<MenuAnswer> {
    const { ticket } = await screen(of);
    return order(ticket, "000000", { mac: of });
  }

  test("after five wrong PINs the machine is locked for 15 minutes, and others are not", async () => {
    const other = machine(8).mac;
    await core.hosts.register(machine(8));
    for (let count = 1; count < MOST_WRONG_OF_ONE; count += 1) await assertRefused(wrongFrom(mac), /PIN was wrong/);
    await assertRefused(wrongFrom(mac), /Locked for 15 more minutes/);
    // The right one is not even looked at.
    await assertRefused(order((await screen()).ticket, pin), /Locked/);
    const locked = (await core.events.list()).filter(({ kind }) => kind === "menu.locked");
    assert.deepEqual(
      locked.map(({ data, hostId }) => [data["what"], data["mac"], typeof hostId]),
      [["machine", mac, "string"]],
    );
    assert.equal((await order((await screen(other)).ticket, pin, { mac: other })).type, "ordered");
    core.nowMs += LOCKED_FOR_MS;
    assert.equal((await order((await screen()).ticket, pin)).type, "ordered");
  });

  test("the right PIN forgets the slips before it; slips that are long ago do not count", async () => {
    for (let count = 1; count < MOST_WRONG_OF_ONE; count += 1) await wrongFrom(mac);
    core.nowMs += LOCKED_FOR_MS;
    await assertRefused(wrongFrom(mac), /PIN was wrong/);
    assert.equal((await order((await screen()).ticket, pin)).type, "ordered");
  });

  test("many machines with wrong PINs lock every menu", async () => {
    for (let count = 0; count < MOST_WRONG_OF_ALL; count += 1) {
      const number = 100 + Math.floor(count / (MOST_WRONG_OF_ONE - 1));
      await core.hosts.register(machine(number));
      await wrongFrom(machine(number).mac);
    }
    await assertRefused(order((await screen()).ticket, pin), /Locked for 15 more minutes/);
    const locked = (await core.events.list()).filter(({ kind }) => kind === "menu.locked");
    assert.deepEqual(
      locked.map(({ data }) => data["what"]),
      ["all"],
    );
  });
});
