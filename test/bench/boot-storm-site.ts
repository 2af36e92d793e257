import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import type { LabProcess, Namespace } from "../../scripts/lab/namespace.ts";
import { openDatabase } from "../../server/db/database.ts";
import { EventLog } from "../../server/events.ts";
import { Hosts } from "../../server/hosts/hosts.ts";
import { Deploys } from "../../server/orders/deploys.ts";
import { machine } from "../server/core.ts";
import { Lines } from "../server/dhcp/computers.ts";
import { hasOrder, macOf, type Room } from "./boot-storm-machines.ts";
import type { RoomResult } from "./boot-storm-room.ts";

const SERVER = "10.77.0.1";
const ROOM = "10.77.0.2";

/** Half of the room's machines are Macs and plain UEFI; each fifth has nothing to do. */
export const mixedRoom: Room = {
  mode: "proxy",
  server: SERVER,
  address: ROOM,
  neighbour: "10.77.0.3",
  machines: 500,
  firstNumber: 1,
  withinMs: 1_000,
  seed: 1,
  kinds: ["uefi", "bios", "mac", "uefi", "ipxe", "mac", "uefi", "bios", "office"],
  idleEvery: 5,
  loaders: { bios: "undionly.kpxe", x64: "x64/snponly.efi" },
  diskLoader: "x64/disk.efi",
  script: `http://${SERVER}:8440/boot/script.ipxe?mac=`,
  isNamedInOffer: true,
  booter: "nbi/booter",
};

/** PCs only, all of which have an order: what dnsmasq can do, too. */
export const pcRoom: Room = { ...mixedRoom, kinds: ["uefi", "bios", "uefi", "ipxe"], idleEvery: 0 };

/** The same for dnsmasq: its answers do not depend on the machine, and its offers leave UEFI's file to port 4011. */
export const dnsmasqRoom: Room = {
  ...pcRoom,
  script: `http://${SERVER}:8440/boot/script.ipxe`,
  isNamedInOffer: false,
};

/** A switch with the server's computer and the room's on it. */
export async function openSite(lab: Namespace): Promise<void> {
  await lab.addBridge("br0");
  await lab.addNetns("server", `${SERVER}/16`, "br0");
  await lab.addNetns("room", `${ROOM}/16`, "br0");
  for (const netns of ["server", "room"]) {
    await lab.run("ip", ["-n", netns, "route", "replace", "default", "dev", "eth0"]);
  }
}

/** A data directory with boot files, and a database that knows every machine of a room and its order. */
export async function prepareData(dataDir: string, room: Room): Promise<void> {
  for (const name of [...Object.values(room.loaders), room.diskLoader, room.booter, "vmlinuz"]) {
    const path = join(dataDir, "boot", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `this is ${name}`);
  }
  const db = await openDatabase(join(dataDir, "bootcast.db"));
  // The server opens it anew and is careful again; five hundred hosts need not wait for the disk one by one.
  await sql`pragma synchronous = off`.execute(db);
  const events = new EventLog(db, Date.now);
  const hosts = new Hosts({ db, events, names: "room-{nnn}" });
  const ordered: string[] = [];
  for (let number = room.firstNumber; number < room.firstNumber + room.machines; number += 1) {
    const { hostId } = await hosts.register(machine(number, { mac: macOf(number) }));
    if (hasOrder(room, number)) ordered.push(hostId);
  }
  const findImage = async (name: string) => ({ name, version: 1, diskBytes: 2e9, sectorBytes: 512, storedBytes: 1e9 });
  await new Deploys({ db, events, hosts, findImage, now: () => Date.now() }).create({
    image: "lab-debian",
    to: ordered,
  });
  await db.destroy();
}

/** A boot server that runs; its log goes to a file, as to a journal. */
export type Serving = { readonly pid: number; stop(): Promise<void> };

/** The real server, as `bootcast serve` is started. */
export async function startBootcast(lab: Namespace, room: Room, dataDir: string): Promise<Serving> {
  const settings = [
    "network.interfaces=eth0",
    `network.dhcp=${room.mode}`,
    "network.register=false",
    "dnssd.enabled=false",
    ...(room.mode === "full" ? ["network.pool=10.77.8.1-10.77.15.254"] : []),
  ];
  const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
  const words = ["serve", "--json", "--data-dir", dataDir, ...settings.flatMap((pair) => ["--set", pair])];
  const command = [process.execPath, main, ...words];
  return serving(spawnLogged(lab, command, join(dataDir, "log")), '"ready":true');
}

/** dnsmasq with the same job for PCs: it knows no BSDP, and no orders. */
export async function startDnsmasq(lab: Namespace, room: Room, dataDir: string): Promise<Serving> {
  const script = room.script;
  const boot = [
    "--dhcp-match=set:ipxe,175",
    "--dhcp-match=set:efi,option:client-arch,7",
    `--dhcp-boot=tag:ipxe,${script},,${SERVER}`,
    `--dhcp-boot=tag:!ipxe,tag:efi,${room.loaders.x64},,${SERVER}`,
    `--dhcp-boot=tag:!ipxe,tag:!efi,${room.loaders.bios},,${SERVER}`,
  ];
  const ways = {
    proxy: [
      "--dhcp-range=10.77.0.0,proxy,255.255.0.0",
      `--pxe-service=tag:ipxe,x86PC,boot,${script}`,
      `--pxe-service=tag:ipxe,X86-64_EFI,boot,${script}`,
      `--pxe-service=tag:!ipxe,x86PC,boot,${room.loaders.bios}`,
      `--pxe-service=tag:!ipxe,X86-64_EFI,boot,${room.loaders.x64}`,
    ],
    // Without a look whether an address is in use first: we do none either.
    full: [
      "--dhcp-range=10.77.8.1,10.77.15.254,255.255.0.0,1h",
      "--no-ping",
      "--dhcp-authoritative",
      "--dhcp-lease-max=5000",
    ],
  };
  mkdirSync(dataDir, { recursive: true });
  const files = ["--conf-file=/dev/null", `--dhcp-leasefile=${join(dataDir, "leases")}`, "--log-facility=-"];
  const command = ["dnsmasq", "--keep-in-foreground", "--user=root", "--port=0", "--interface=eth0", ...files];
  return serving(spawnLogged(lab, [...command, ...boot, ...ways[room.mode]], join(dataDir, "log")), undefined);
}

/** The room is switched on and heard to its end. */
export async function switchOn(lab: Namespace, room: Room): Promise<RoomResult> {
  // The cards of the room before are not on the wire: to the server its own address would look like a stranger's.
  await lab.run("ip", ["-n", "server", "neigh", "flush", "dev", "eth0"]);
  const file = fileURLToPath(new URL("./boot-storm-room.ts", import.meta.url));
  const process_ = lab.spawn(process.execPath, [file, JSON.stringify(room)], { netns: "room" });
  const lines = new Lines(process_);
  await lines.until("ready");
  lines.write("go\n");
  const exitCode = await lines.exited;
  const last = lines.seen.at(-1) ?? "";
  if (exitCode !== 0) throw new Error(`the room ended with ${exitCode}:\n${lines.seen.join("\n")}`);
  return JSON.parse(last) as RoomResult;
}

function spawnLogged(lab: Namespace, command: readonly string[], log: string): LabProcess {
  return lab.spawn("sh", ["-c", 'log=$1; shift; exec "$@" 2>"$log"', "sh", log, ...command], { netns: "server" });
}

async function serving(process_: LabProcess, ready: string | undefined): Promise<Serving> {
  const lines = new Lines(process_);
  if (ready !== undefined) await lines.until(ready);
  // dnsmasq says nothing on stdout: it listens within milliseconds.
  else await new Promise((resolve) => setTimeout(resolve, 500));
  const pid = process_.pid;
  if (pid === undefined) throw new Error(`the server ended:\n${lines.seen.join("\n")}`);
  return { pid, stop: () => lines.stop() };
}
