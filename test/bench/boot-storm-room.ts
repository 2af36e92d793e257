/**
 * A room of machines that is switched on, in a process of its own: `node boot-storm-room.ts '{"server":…}'` (`Room`).
 * It says "ready", starts with the first line of its input, and prints what became of it (`RoomResult`) as one line.
 *
 * Firmware's waits between tries are real; what comes between the steps (loading a file takes a second or more) is
 * left out, so that the room asks faster than a real one.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { clientMac, type DhcpPacket, optionAddress, optionData } from "../../bsdp/dhcp-packet.ts";
import { MessageType, messageTypeOf, Option } from "../../bsdp/dhcp-values.ts";
import { Line, type LineResult } from "./boot-storm-line.ts";
import { addressOf, hasOrder, kindOf, macOf, ROOM_NETWORK, type Room } from "./boot-storm-machines.ts";
import { type Asking, bootServerRequest, bsdpInform, discover, request, type Voice } from "./boot-storm-packets.ts";

/** What became of a room. */
export type RoomResult = LineResult & {
  readonly machines: number;
  /** Those that got everything that they needed to start, or that rightly got nothing. */
  readonly served: number;
};

// EDK2 (PxeBcDhcp4.c), PXE 2.1 section 2.2.2, iPXE (src/net/udp/dhcp.c), Apple's firmware (BSDP.doc).
const waitsMs: Readonly<Record<Voice, readonly number[]>> = {
  uefi: [4_000, 8_000, 16_000, 32_000],
  bios: [4_000, 8_000, 16_000, 32_000],
  ipxe: [1_000, 2_000, 4_000, 8_000, 10_000],
  "uefi-ipxe": [1_000, 2_000, 4_000, 8_000, 10_000],
  "bios-ipxe": [1_000, 2_000, 4_000, 8_000, 10_000],
  mac: [2_000, 4_000, 8_000, 16_000],
  office: [4_000, 8_000, 16_000, 32_000],
};
/** A machine that was given an address has it a moment later. */
const TAKES_ADDRESS_MS = 30;
const bootServerWaitsMs = [1_000, 2_000, 3_000, 4_000];

const room = JSON.parse(process.argv[2] ?? "{}") as Room;
// Commands that give this computer the machines' addresses. It must not have one before its machine: the server looks.
const ip = spawn("ip", ["-force", "-batch", "-"], { stdio: ["pipe", "ignore", "inherit"] });
if (room.mode === "proxy") claim(ROOM_NETWORK);
const line = await Line.open("eth0", room.address, room.server);
/** Who was given which address. */
const owners = new Map<string, string>();
console.log("ready");
await once(process.stdin, "data");
const random = generator(room.seed);
const numbers = Array.from({ length: room.machines }, (_, at) => room.firstNumber + at);
const served = await Promise.all(
  numbers.map(async (number) => {
    const waitMs = random() * room.withinMs;
    if (waitMs >= 1) await delay(waitMs);
    return start(number);
  }),
);
// What nobody may answer would have been answered by now.
await delay(300);
const result: RoomResult = {
  ...(await line.close()),
  machines: room.machines,
  served: served.filter(Boolean).length,
};
console.log(JSON.stringify(result));
ip.stdin.write("route flush table local proto boot type local\n");
ip.stdin.end();
await once(ip, "exit");
process.exit(0);

function claim(addresses: string): void {
  ip.stdin.write(`route replace local ${addresses} dev eth0\n`);
}

/** One machine from its first question to the last thing that it needs. @returns whether it got all of it */
async function start(number: number): Promise<boolean> {
  const mac = macOf(number);
  const kind = kindOf(room, number);
  const isToBoot = hasOrder(room, number);
  const script = isToBoot || kind === "ipxe" ? room.script : undefined;
  switch (kind) {
    case "office":
      return (await getAddress("office", number, undefined)) !== undefined;
    case "mac": {
      const address = await getAddress("mac", number, undefined);
      if (address !== undefined && room.mode === "full") {
        claim(address);
        await delay(TAKES_ADDRESS_MS);
      }
      return address !== undefined && (isToBoot ? await askBsdp(mac, address) : hearNoBsdp(mac, address));
    }
    case "ipxe":
      return (await getAddress("ipxe", number, script)) !== undefined;
    case "bios": {
      const address = await getAddress("bios", number, isToBoot ? room.loaders.bios : undefined);
      if (address === undefined || !isToBoot) return address !== undefined;
      return (await getAddress("bios-ipxe", number, script)) !== undefined;
    }
    case "uefi": {
      const file = isToBoot ? room.loaders.x64 : room.diskLoader;
      const address = await getAddress("uefi", number, file);
      // As a DHCP server that does all we send no option 60, and firmware starts what the offer names.
      const isAsking = room.mode === "proxy";
      if (address === undefined || (isAsking && !(await askBootServer("uefi", mac, address, file)))) return false;
      if (!isToBoot || script === undefined) return true;
      if ((await getAddress("uefi-ipxe", number, script)) === undefined) return false;
      return !isAsking || room.isNamedInOffer || (await askBootServer("uefi-ipxe", mac, address, script));
    }
  }
}

/**
 * DISCOVER and REQUEST. With a DHCP server beside us, its part is done here, and what is said to it must be answered
 * by nobody else.
 *
 * @param file what there is to boot; undefined when no boot data may come
 * @returns the machine's address
 */
async function getAddress(
  voice: Voice,
  number: number,
  file: string | undefined,
  triesLeft = 5,
): Promise<string | undefined> {
  const mac = macOf(number);
  const asking: Asking = { voice, mac, xid: line.nextXid() };
  const question = { mac, xid: asking.xid, what: `DISCOVER of ${voice}` };
  if (room.mode === "proxy") {
    const address = addressOf(number);
    if (file === undefined) line.expectSilence(question, discover(asking));
    else {
      const isLater = voice.startsWith("uefi") && !room.isNamedInOffer;
      const check = (answer: DhcpPacket) => (isLater ? checkProxy(answer) : checkBoot(answer, file));
      const offer = await line.ask(question, discover(asking), waitsMs[voice], check);
      if (offer === undefined) return undefined;
    }
    // A number of its own, so that an answer to it is told from one to the DISCOVER.
    const chosen = { ...asking, xid: line.nextXid() };
    line.expectSilence(
      { mac, xid: chosen.xid, what: `REQUEST of ${voice} to the DHCP server` },
      request(chosen, room.neighbour, address),
    );
    return address;
  }
  const check = (answer: DhcpPacket) => checkLease(answer) ?? checkFile(answer, file);
  const offer = await line.ask(question, discover(asking), waitsMs[voice], check);
  if (offer === undefined) return undefined;
  const chosen = { ...asking, xid: line.nextXid() };
  const address = offer.yiaddr;
  const ack = await line.ask(
    { mac, xid: chosen.xid, what: `REQUEST of ${voice}` },
    request(chosen, room.server, address),
    waitsMs[voice],
    (answer) => (isRefusal(answer) ? undefined : (check(answer) ?? checkOwner(answer, mac, address))),
  );
  if (ack === undefined || !isRefusal(ack)) return ack?.yiaddr;
  line.noteRefusal();
  return triesLeft === 0 ? undefined : getAddress(voice, number, file, triesLeft - 1);
}

/** What UEFI that has an address asks on port 4011. */
async function askBootServer(voice: Voice, mac: string, address: string, file: string): Promise<boolean> {
  const asking: Asking = { voice, mac, xid: line.nextXid() };
  const bytes = bootServerRequest(asking, address);
  const question = { mac, xid: asking.xid, what: `REQUEST of ${voice} on 4011` };
  return (await line.ask(question, bytes, bootServerWaitsMs, (answer) => checkBoot(answer, file), 4011)) !== undefined;
}

async function askBsdp(mac: string, address: string): Promise<boolean> {
  const asking = (): Asking => ({ voice: "mac", mac, xid: line.nextXid() });
  const first = asking();
  const list = await line.ask(
    { mac, xid: first.xid, what: "BSDP LIST" },
    bsdpInform(first, address),
    waitsMs.mac,
    (answer) => checkBsdp(answer, 1),
  );
  const image = list === undefined ? undefined : bsdpValue(list, 7);
  if (image === undefined) return false;
  const second = asking();
  const select = await line.ask(
    { mac, xid: second.xid, what: "BSDP SELECT" },
    bsdpInform(second, address, { server: room.server, image }),
    waitsMs.mac,
    (answer) => checkBsdp(answer, 2) ?? checkFile(answer, room.booter),
  );
  return select !== undefined;
}

function hearNoBsdp(mac: string, address: string): true {
  const asking: Asking = { voice: "mac", mac, xid: line.nextXid() };
  line.expectSilence({ mac, xid: asking.xid, what: "BSDP LIST without an order" }, bsdpInform(asking, address));
  return true;
}

function checkBoot(answer: DhcpPacket, file: string): string | undefined {
  return checkProxy(answer) ?? checkFile(answer, file);
}

/** A proxy's answer has boot data and no address. */
function checkProxy(answer: DhcpPacket): string | undefined {
  if (answer.yiaddr !== "0.0.0.0") return `a proxy gave the address ${answer.yiaddr}`;
  return answer.siaddr === room.server ? undefined : `the boot server is ${answer.siaddr}`;
}

/** Its address went to somebody else between offer and request: firmware begins again. */
function isRefusal(answer: DhcpPacket): boolean {
  return messageTypeOf(answer) === MessageType.nak;
}

function checkLease(answer: DhcpPacket): string | undefined {
  if (optionAddress(answer, Option.serverId) !== room.server) return "another server is named";
  return optionData(answer, Option.leaseTime) === undefined ? "it has no lease time" : undefined;
}

/** The address that was offered, and nobody else's. */
function checkOwner(answer: DhcpPacket, mac: string, offered: string): string | undefined {
  if (answer.yiaddr !== offered) return `${answer.yiaddr} instead of ${offered}`;
  const owner = owners.get(offered);
  owners.set(offered, mac);
  return owner === undefined || owner === mac ? undefined : `${offered} was given to ${owner} already`;
}

function checkFile(answer: DhcpPacket, file: string | undefined): string | undefined {
  const wanted = (file ?? "").endsWith("?mac=") ? `${file}${clientMac(answer)}` : (file ?? "");
  // Firmware reads the option first; other servers put the name there.
  const option = optionData(answer, Option.bootFileName);
  const named = option === undefined ? answer.file : Buffer.from(option).toString().replace(/\0$/, "");
  return named === wanted ? undefined : `the file is "${named}" instead of "${wanted}"`;
}

function checkBsdp(answer: DhcpPacket, message: number): string | undefined {
  const said = bsdpValue(answer, 1)?.[0];
  return said === message ? undefined : `BSDP message ${said} instead of ${message}`;
}

function bsdpValue(answer: DhcpPacket, code: number): Uint8Array | undefined {
  const data = optionData(answer, Option.vendorOptions) ?? new Uint8Array(0);
  for (let at = 0; at + 2 <= data.length; at += 2 + data[at + 1]!) {
    if (data[at] === code) return data.subarray(at + 2, at + 2 + data[at + 1]!);
  }
  return undefined;
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
