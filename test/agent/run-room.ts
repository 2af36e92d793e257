import assert from "node:assert/strict";
import { pino } from "pino";
import type { ServerClient } from "../../agent/client/server-client.ts";
import type { Disk, Order, OrderTerms, Report, ReportAnswer } from "../../agent/contract.ts";
import type { AgentPorts, LocalDisk } from "../../agent/ports.ts";
import { Fault } from "../../fault.ts";
import type { HeldCells } from "../../images/held-cells.ts";
import { fakeClock } from "./fake-clock.ts";

export const disk: Disk = {
  path: "/dev/vda",
  sizeBytes: 1024 ** 3,
  sectorBytes: 512,
  model: "",
  serial: "disk-7",
  wwn: "",
  transport: "virtio",
  isRemovable: false,
  isReadOnly: false,
  usedBy: [],
};

export const order: Extract<Order, { kind: "deploy" }> = {
  kind: "deploy",
  deployId: "12",
  image: "lab-debian",
  imageVersion: 3,
  hostName: "lab-07",
  streamId: "00112233445566aa",
  reason: "Session 12.",
};

type Room = {
  /** Everything that happened, in order: reports, orders, what was done to the disk. */
  readonly happened: string[];
  readonly reports: Report[];
  readonly failures: { code: string; disk: string }[];
  readonly ports: AgentPorts;
};

export type Scene = {
  orders?: Order[];
  /** What the server answers to a report; a Fault is thrown. */
  answer?: (report: Report) => ReportAnswer | Fault;
  /** Replaces ports. */
  change?: (ports: AgentPorts, room: Room) => Partial<AgentPorts>;
  client?: Partial<ServerClient>;
};

export const lost = () => new Fault("SERVER_UNREACHABLE", { what: "Lost.", why: "Cable.", fix: "Plug." });

/** A machine and its server in which everything works, except what `scene` changes. */
export function room(scene: Scene = {}): Room {
  const happened: string[] = [];
  const reports: Report[] = [];
  const failures: { code: string; disk: string }[] = [];
  const orders = [...(scene.orders ?? [order])];
  const client: ServerClient = {
    url: new URL("http://10.77.0.1:8440"),
    register: async () => ({ hostId: "7", name: "lab-07", token: "t" }),
    order: async () => orders.shift() ?? { kind: "boot-disk", reason: "nothing to do" },
    report: async (_, report) => {
      const answer = scene.answer?.(report) ?? { proceed: true, reason: "" };
      if (answer instanceof Fault) throw answer;
      happened.push(`report ${report.state}`);
      reports.push(report);
      return answer;
    },
    hearing: async (_, { heard, problem }) => void happened.push(`hearing ${problem ?? heard ?? "ready"}`),
    close: async () => undefined,
    ...scene.client,
  };
  const target: LocalDisk = {
    sizeBytes: disk.sizeBytes,
    open: async () => void happened.push("disk open"),
    close: async () => void happened.push("disk close"),
    write: async () => void happened.push("disk write"),
    read: async (_, length) => new Uint8Array(length),
    flush: async () => undefined,
  };
  const ports: AgentPorts = {
    version: "1",
    clock: fakeClock(),
    screen: {
      about: () => undefined,
      progress: () => undefined,
      state: (state, detail) => void happened.push(`screen ${state}: ${detail}`),
      raw: () => undefined,
      failed: ({ code }, diskState) => void failures.push({ code, disk: diskState }),
    },
    log: pino({ level: "silent" }),
    givenServer: new URL("http://10.77.0.1:8440"),
    network: () => ({ name: "eth0", mac: "52:54:00:00:00:07", address: "10.77.0.57" }),
    findServer: async () => {
      happened.push("mdns");
      return new URL("http://10.77.0.2:8440");
    },
    connect: () => client,
    hearTest: async (_, __, ready) => {
      await ready();
      return 99;
    },
    addressTowards: async () => "10.77.0.57",
    inventory: () => ({
      mac: "52:54:00:00:00:07",
      uuid: "",
      serial: "",
      vendor: "QEMU",
      model: "PC",
      firmware: "bios",
      memoryBytes: 1e9,
      cpuCount: 1,
      nics: [],
      disks: [disk],
      agentVersion: "1",
    }),
    examine: async (disks) => disks,
    availableMemoryBytes: () => 1e9,
    power: () => "unknown",
    describe: async () => {
      happened.push("manifest");
      const partitions = [{ number: 2, type: "", fileSystem: "luks" }];
      const tag = { name: "lab-debian", version: 3 };
      const manifest = { diskBytes: disk.sizeBytes, sectorBytes: 512, partitions, tag };
      return { info: {}, manifest } as unknown as Awaited<ReturnType<AgentPorts["describe"]>>;
    },
    challenge: () => "0".repeat(64),
    checkPermit: () => void happened.push("permit"),
    localDisk: () => target,
    look: () => Promise.reject(new Error("no order here keeps what is on the disk")),
    erase: async () => {
      happened.push("erase");
      return { isZeroed: true, how: "zeroed" };
    },
    async receive({ target: to, beforeWrite, onProgress }) {
      onProgress({ detail: "waiting for the stream" });
      await beforeWrite();
      await to.write(0, new Uint8Array(1));
      onProgress({ percent: 50, detail: "receiving" });
      return "1 pass";
    },
    verify: async () => {
      happened.push("verify");
      return 0;
    },
    fit: async ({ order: { grow, ids } }) => {
      happened.push(`fit ${grow} ${ids}`);
      return { renewed: new Map([["old", "new"]]), lines: ["partition 2 (ext4) grows"], notes: [] };
    },
    name: async ({ hostName }) => {
      happened.push(`name ${hostName}`);
      return { changes: 2, modules: ["linux-hostname"], notes: ["a note"], systems: [] };
    },
    runScript: async ({ script }) => {
      happened.push(`script ${script.name}`);
      return { name: script.name, ended: "exited", code: 0, seconds: 1, output: "hello" };
    },
    finish: async () => {
      happened.push("finish");
      return ["boot entry set"];
    },
    async capture({ beforeFinish, onOpen, onProgress }) {
      onOpen();
      happened.push("capture");
      onProgress({ percent: 50, detail: "capturing" });
      await beforeFinish("all is sent");
      return { image: "lab-07", imageVersion: 4, warnings: ["a warning"] };
    },
    loadKernel: async () => {
      happened.push("load kernel");
      return "/boot/vmlinuz starts at once";
    },
    reboot: async () => void happened.push("reboot"),
    powerOff: async () => void happened.push("power off"),
    startKernel: async () => void happened.push("start kernel"),
    keyPressed: async () => false,
    enterPressed: async () => void happened.push("enter"),
  };
  const built: Room = { happened, reports, failures, ports };
  return { ...built, ports: { ...ports, ...scene.change?.(ports, built) } };
}

export const statesOf = (reports: readonly Report[]) =>
  reports.map(({ state }) => state).filter((state, index, all) => state !== all[index - 1]);

/** Nothing was opened, erased or written. */
export function assertUntouched({ happened }: Room): void {
  for (const word of ["disk open", "erase", "disk write"]) assert(!happened.includes(word), `${word} in ${happened}`);
}

export const broken = new Fault("BROKEN", { what: "It broke.", why: "A test.", fix: "None." });
export const fails = async (): Promise<never> => {
  throw broken;
};

export const terms: OrderTerms = { disk: "only", erase: "zeros", confirmed: [], known: "" };

const seen = { keptBytes: 900, neededBytes: 100 };
export const heldPart = { isWhole: false, count: () => seen } as unknown as HeldCells;
export const heldAll = { isWhole: true, count: () => ({ keptBytes: 1000, neededBytes: 0 }) } as unknown as HeldCells;

export const looks =
  (held: HeldCells) =>
  (_: AgentPorts, { happened }: Room) => ({
    look: async () => {
      happened.push("look");
      return held;
    },
  });
