import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { Value } from "typebox/value";
import {
  type Afterwards,
  type AgentState,
  aliveText,
  type Disk,
  Order,
  type OrderTerms,
  permitText,
  type Report,
  type ReportAnswer,
  scriptsDigest,
  scriptsText,
} from "../../agent/contract.ts";
import { diskIdentity } from "../../agent/disk-identity.ts";
import { limits } from "../../agent/limits.ts";
import type { AgentPorts, LocalDisk } from "../../agent/ports.ts";
import { runAgent } from "../../agent/run.ts";
import type { ServerClient } from "../../agent/server-client.ts";
import { verifyRuleText } from "../../agent/verify-plan.ts";
import { Fault } from "../../fault.ts";
import type { HeldCells } from "../../images/held-cells.ts";
import { fakeClock } from "./fake-clock.ts";

const disk: Disk = {
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

const order: Order = {
  kind: "deploy",
  deployId: "12",
  image: "lab-debian",
  imageVersion: 3,
  hostName: "lab-07",
  streamId: "00112233445566aa",
  reason: "Session 12.",
};

const stop: ReportAnswer = { proceed: false, reason: "stopped by anna" };

type Room = {
  /** Everything that happened, in order: reports, orders, what was done to the disk. */
  readonly happened: string[];
  readonly reports: Report[];
  readonly failures: { code: string; disk: string }[];
  readonly ports: AgentPorts;
};

type Scene = {
  orders?: Order[];
  /** What the server answers to a report; a Fault is thrown. */
  answer?: (report: Report) => ReportAnswer | Fault;
  /** Replaces ports. */
  change?: (ports: AgentPorts, room: Room) => Partial<AgentPorts>;
  client?: Partial<ServerClient>;
};

const lost = () => new Fault("SERVER_UNREACHABLE", { what: "Lost.", why: "Cable.", fix: "Plug." });

/** A machine and its server in which everything works, except what `scene` changes. */
function room(scene: Scene = {}): Room {
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
    async capture({ beforeFinish, onProgress }) {
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
    enterPressed: async () => void happened.push("enter"),
  };
  const built: Room = { happened, reports, failures, ports };
  return { ...built, ports: { ...ports, ...scene.change?.(ports, built) } };
}

const statesOf = (reports: readonly Report[]) =>
  reports.map(({ state }) => state).filter((state, index, all) => state !== all[index - 1]);

/** Nothing was opened, erased or written. */
function assertUntouched({ happened }: Room): void {
  for (const word of ["disk open", "erase", "disk write"]) assert(!happened.includes(word), `${word} in ${happened}`);
}

test("from the order to the reboot, in the design's order", async () => {
  const all = room();
  assert.equal(await runAgent(all.ports), "done");
  assert.deepEqual(statesOf(all.reports), [
    "waiting",
    "preflight",
    "erasing",
    "receiving",
    "verifying",
    "naming",
    "finishing",
    "rebooting",
    "done",
  ] satisfies AgentState[]);
  const done = all.happened.filter((line) => !line.startsWith("screen") && !line.startsWith("report"));
  assert.deepEqual(done, [
    "manifest",
    "permit",
    "disk open",
    "erase",
    "disk write",
    "disk close",
    "verify",
    "fit keep keep",
    "name lab-07",
    "finish",
    "reboot",
  ]);
  const last = all.reports.at(-1);
  assert.equal(last?.deployId, "12");
  const timed = ["booting", "finding", "registering", "waiting", "preflight", "erasing", "receiving", "verifying"];
  assert.deepEqual(Object.keys(last?.timings ?? {}), [...timed, "naming", "finishing", "rebooting"]);
  assert.equal(all.happened.at(-1), "reboot");
});

test("the server is asked twice before the disk is opened", async () => {
  const all = room();
  await runAgent(all.ports);
  const before = all.happened.slice(0, all.happened.indexOf("disk open"));
  assert(before.filter((line) => line === "report preflight").length >= 2);
  assert.equal(before.filter((line) => line === "report erasing").length, 1);
});

test("nothing is erased that nobody ordered: without an order the machine starts its own disk", async () => {
  const orders: Order[] = [
    { kind: "wait", reason: "unknown host" },
    { kind: "wait", reason: "unknown host" },
    { kind: "boot-disk", reason: "nothing to do" },
  ];
  const all = room({ orders });
  assert.equal(await runAgent(all.ports), "not ordered");
  assertUntouched(all);
  assert(!all.happened.includes("manifest"));
  const reasons = all.reports.filter(({ state, detail }) => state === "waiting" && detail === "unknown host");
  assert.equal(reasons.length, 1, "a reason is told once");
  assert(all.reports.every(({ deployId }) => deployId === undefined));
});

test("a machine that nobody gives an order starts its own disk in the end", async () => {
  const all = room({ client: { order: async () => ({ kind: "wait", reason: "unknown host" }) } });
  assert.equal(await runAgent(all.ports), "not ordered");
  assertUntouched(all);
  assert(all.ports.clock.now() >= limits.orderMs);
});

for (const state of ["preflight", "erasing"] as const) {
  test(`an order that is taken back in ${state} touches nothing, and the host waits again`, async () => {
    let isStopped = false;
    const all = room({
      answer: (report) => {
        if (report.state !== state || isStopped) return { proceed: true, reason: "" };
        isStopped = true;
        return stop;
      },
    });
    assert.equal(await runAgent(all.ports), "not ordered");
    assertUntouched(all);
    assert.deepEqual(all.failures, []);
    assert.equal(statesOf(all.reports).filter((name) => name === "waiting").length, 2);
  });
}

test("an order can be carried out after an earlier one was taken back", async () => {
  let stops = 1;
  const all = room({
    orders: [order, { ...order, deployId: "13" }],
    answer: ({ state }) => (state === "preflight" && stops-- > 0 ? stop : { proceed: true, reason: "" }),
  });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(all.reports.at(-1)?.deployId, "13");
});

test("without the server's permission nothing is erased, however long it is asked", async () => {
  const all = room({ answer: ({ state }) => (state === "erasing" ? lost() : { proceed: true, reason: "" }) });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "SERVER_UNREACHABLE", disk: "untouched" }]);
});

test("an order that is taken back while receiving stops the restore, and says what the disk is", async () => {
  const all = room({
    answer: ({ state, percent }) =>
      state === "receiving" && percent !== undefined ? stop : { proceed: true, reason: "" },
    change: (ports) => ({
      async receive({ beforeWrite, onProgress, signal }) {
        await beforeWrite();
        await ports.clock.sleep(2000);
        onProgress({ percent: 10, detail: "receiving" });
        await new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        return "";
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(all.failures, [{ code: "DEPLOY_CANCELLED", disk: "partly written" }]);
  assert.equal(all.reports.at(-1)?.fault?.code, "DEPLOY_CANCELLED");
  assert(all.happened.includes("disk close"));
});

const broken = new Fault("BROKEN", { what: "It broke.", why: "A test.", fix: "None." });
const fails = async (): Promise<never> => {
  throw broken;
};

const failures: { name: string; change: Scene["change"]; disk: string }[] = [
  { name: "the manifest", change: () => ({ describe: fails }), disk: "untouched" },
  { name: "preflight", change: () => ({ power: () => "battery" }), disk: "untouched" },
  { name: "the stream before the erase", change: () => ({ receive: fails }), disk: "untouched" },
  { name: "the erase", change: () => ({ erase: fails }), disk: "erased" },
  {
    name: "the stream after the erase",
    change: () => ({
      receive: async ({ beforeWrite }) => {
        await beforeWrite();
        throw broken;
      },
    }),
    disk: "partly written",
  },
  { name: "reading back", change: () => ({ verify: fails }), disk: "partly written" },
  { name: "naming", change: () => ({ name: fails }), disk: "complete" },
  { name: "finishing", change: () => ({ finish: fails }), disk: "complete" },
];
for (const { name, change, disk: diskState } of failures) {
  test(`when ${name} fails, the screen and the server hear it, the disk is ${diskState}, the machine restarts`, async () => {
    const all = room({ change: change! });
    const before = all.ports.clock.now();
    assert.equal(await runAgent(all.ports), "failed");
    assert.equal(all.failures[0]?.disk, diskState);
    assert.equal(all.failures.length, 1);
    const last = all.reports.at(-1);
    assert.equal(last?.state, "failed");
    assert.equal(last?.deployId, "12");
    assert.equal(last?.fault?.code, all.failures[0]?.code);
    assert.equal(all.happened.at(-1), "reboot");
    assert.equal(all.reports.filter(({ state }) => state === "rebooting" || state === "done").length, 0);
    const shownMs = limits.failureShownMs[diskState === "untouched" ? "untouched" : "changed"];
    assert(all.ports.clock.now() - before >= shownMs, "it can be read");
    assert(all.happened.some((line) => /^screen failed: restarts in/.test(line)));
    if (diskState === "untouched") assertUntouched(all);
  });
}

test("another disk under the chosen one's name is not opened", async () => {
  const all = room({
    change: (ports, { happened }) => ({
      inventory: (network) => {
        const inventory = ports.inventory(network);
        return !happened.includes("permit") ? inventory : { ...inventory, disks: [{ ...disk, serial: "another" }] };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_CHANGED", disk: "untouched" }]);
});

test("a server that cannot prove its order, whatever else it says, erases nothing", async () => {
  const asked: { text: string; permit: string | undefined }[] = [];
  const all = room({
    answer: ({ challenge }) => ({ proceed: true, reason: "", ...(challenge && { permit: "forged" }) }),
    change: () => ({
      challenge: () => "c".repeat(64),
      checkPermit: (text, permit) => {
        asked.push({ text, permit });
        throw broken;
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "BROKEN", disk: "untouched" }]);
  // What is to be proved is what this agent is about to do, not what the server says.
  const text = permitText({
    challenge: "c".repeat(64),
    mac: "52:54:00:00:00:07",
    deployId: "12",
    image: "lab-debian",
    imageVersion: 3,
  });
  assert.deepEqual(asked, [{ text, permit: "forged" }]);
});

test("a second disk that comes late makes the choice a person's, not the first one's", async () => {
  const all = room({
    change: (ports) => ({
      inventory: (network) => {
        const inventory = ports.inventory(network);
        const isLate = ports.clock.now() < 1500;
        return isLate ? inventory : { ...inventory, disks: [disk, { ...disk, path: "/dev/vdb", serial: "disk-8" }] };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_REFUSED", disk: "untouched" }]);
  assert(!all.happened.includes("permit"), "the server was not even asked");
});

test("a second disk that appears after the choice makes it a person's: nothing is erased", async () => {
  const all = room({
    change: (ports, { happened }) => ({
      inventory: (network) => {
        const inventory = ports.inventory(network);
        return !happened.includes("permit")
          ? inventory
          : { ...inventory, disks: [disk, { ...disk, path: "/dev/vdb", serial: "disk-8" }] };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_REFUSED", disk: "untouched" }]);
});

const terms: OrderTerms = { disk: "only", erase: "zeros", confirmed: [], known: "" };
const encrypted: Disk["holds"] = [{ number: 2, kind: "luks", label: "" }];
const holding = (holds: Disk["holds"]) => async (disks: readonly Disk[]) =>
  disks.map((one) => ({ ...one, ...(holds === undefined ? {} : { holds }) }));

test("a name that was put in on the way is not written to the disk: it is no name, or is not the signed one", async () => {
  const named = { ...terms, hostName: "lab-07" };
  const all = room({ orders: [{ ...order, terms: named, hostName: "lab-08" }] });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "ORDER_CHANGED", disk: "untouched" }]);
  assert.equal(await runAgent(room({ orders: [{ ...order, terms: named }] }).ports), "done");
  for (const hostName of ["lab-07\n10.0.0.66 packages.example", "x</ComputerName><a>", "a b", "", "-x", "a'b"])
    assert(!Value.Check(Order, { ...order, hostName }), hostName);
  assert(Value.Check(Order, { ...order, terms: named, hostName: "lab-07.school.example" }));
});

test("an encrypted volume of the image itself is expected where this order had begun to write it, and nowhere else", async () => {
  const resumes = diskIdentity(disk);
  const goesOn = async (more: Partial<OrderTerms>, holds = encrypted) => {
    const orders = [{ ...order, terms: { ...terms, resumes, ...more } }];
    const all = room({ orders, change: (...scene) => ({ ...looks(heldPart)(...scene), examine: holding(holds) }) });
    if ((await runAgent(all.ports)) === "done") return true;
    assertUntouched(all);
    assert.deepEqual(all.failures, [{ code: "DISK_UNEXPECTED", disk: "untouched" }]);
    return false;
  };
  assert.equal(await goesOn({}), true);
  // The device destroys it again, but it is no surprise either.
  assert.equal(await goesOn({ erase: "secure" }), true);
  assert.equal(await goesOn({ resumes: diskIdentity({ ...disk, serial: "disk-8" }) }), false);
  assert.equal(await goesOn({ resumes: "" }), false);
  assert.equal(await goesOn({}, [{ number: 3, kind: "luks", label: "" }]), false);
  assert.equal(await goesOn({}, [{ number: 2, kind: "raid", label: "" }]), false);
  assert.equal(await goesOn({}, [...encrypted, { number: 0, kind: "raid", label: "" }]), false);
});

test("an encrypted disk that nobody confirmed is not erased; the server is not even asked", async () => {
  for (const orders of [[order], [{ ...order, terms }]]) {
    const all = room({ orders, change: () => ({ examine: holding(encrypted) }) });
    assert.equal(await runAgent(all.ports), "failed");
    assertUntouched(all);
    assert.deepEqual(all.failures, [{ code: "DISK_UNEXPECTED", disk: "untouched" }]);
    assert(!all.happened.includes("permit"));
  }
});

test("confirmed, it is erased in the way that was ordered, and the permit is for that", async () => {
  const confirmed = { ...terms, confirmed: ["disk-7: 2 luks"] };
  const asked: string[] = [];
  const methods: string[] = [];
  const all = room({
    orders: [{ ...order, terms: confirmed }],
    change: (ports) => ({
      examine: holding(encrypted),
      checkPermit: (text) => void asked.push(text),
      erase: (request) => {
        methods.push(request.method);
        return ports.erase(request);
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "done");
  const about = { challenge: "0".repeat(64), mac: "52:54:00:00:00:07", deployId: "12", image: "lab-debian" };
  assert.deepEqual(asked, [permitText({ ...about, imageVersion: 3, terms: confirmed })]);
  assert.deepEqual(methods, ["zeros"]);
  assert.equal(all.reports.at(-1)?.holds, "disk-7: 2 luks", "the next order knows what was restored");
});

test("what appears on the disk after the choice, and before the erase, stops it", async () => {
  const all = room({
    orders: [{ ...order, terms }],
    change: (_, { happened }) => ({
      examine: (disks) => holding(happened.includes("permit") ? encrypted : [])(disks),
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_CHANGED", disk: "untouched" }]);
});

test("a rule of a newer server that is not understood stops it", async () => {
  const all = room({ orders: [{ ...order, terms: { ...terms, disk: "quietest" } }] });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_RULE", disk: "untouched" }]);
});

test("with a rule the second disk is no question any more", async () => {
  const larger: Disk = { ...disk, path: "/dev/vdb", serial: "disk-8", sizeBytes: 2 * disk.sizeBytes };
  const erased: string[] = [];
  const all = room({
    orders: [{ ...order, terms: { ...terms, disk: "largest" } }],
    change: (ports) => ({
      inventory: (network) => ({ ...ports.inventory(network), disks: [disk, larger] }),
      erase: (request) => {
        erased.push(request.disk.path);
        return ports.erase(request);
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "done");
  assert.deepEqual(erased, ["/dev/vdb"]);
});

for (const step of ["verify", "name", "finish"] as const) {
  test(`another disk under the restored one's name is not written to: ${step}`, async () => {
    let isSwapped = false;
    const all = room({
      change: (ports, { happened }) => ({
        inventory: (network) => {
          const inventory = ports.inventory(network);
          return isSwapped ? { ...inventory, disks: [{ ...disk, serial: "another" }] } : inventory;
        },
        verify: async ({ beforeWrite }) => {
          if (step !== "finish") isSwapped = true;
          if (step === "verify") beforeWrite();
          happened.push("verify");
          return 0;
        },
        name: async () => {
          isSwapped = true;
          happened.push("name");
          return { changes: 0, modules: [], notes: [], systems: [] };
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "failed");
    assert.equal(all.failures[0]?.code, "DISK_CHANGED");
    assert(!all.happened.includes(step), all.happened.join("\n"));
  });
}

test("a stream that asks for the erase twice is stopped by an assertion", async () => {
  const all = room({
    change: () => ({
      receive: async ({ beforeWrite }) => {
        await beforeWrite();
        await beforeWrite();
        return "";
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.equal(all.happened.filter((line) => line === "erase").length, 1);
  assert.equal(all.failures[0]?.code, "AGENT_DEFECT");
});

test("a server on the command line that does not answer: mDNS finds another", async () => {
  let registrations = 0;
  const all = room({
    change: (ports) => ({
      connect: (url) => ({
        ...ports.connect(url),
        register: async () => {
          registrations += 1;
          if (url.hostname === "10.77.0.1") throw lost();
          return { hostId: "7", name: "lab-07", token: "t" };
        },
      }),
    }),
  });
  assert.equal(await runAgent(all.ports), "done");
  assert(all.happened.includes("mdns"));
  assert(registrations > 2);
});

test("no server at all: the machine says so and restarts", async () => {
  const all = room({
    client: {
      register: async () => {
        throw lost();
      },
    },
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.equal(all.happened.at(-1), "reboot");
});

test("a server that is gone while waiting is looked for again; one that forgot the host is registered with again", async () => {
  for (const code of ["SERVER_UNREACHABLE", "TOKEN_WRONG"]) {
    let asked = 0;
    const all = room({
      client: {
        order: async () => {
          asked += 1;
          if (asked < 30 && (code === "SERVER_UNREACHABLE" || asked === 1)) {
            throw new Fault(code, { what: "No.", why: "No.", fix: "No." });
          }
          return order;
        },
      },
    });
    assert.equal(await runAgent(all.ports), "done", code);
    const registered = all.happened.filter((line) => line.startsWith("screen registering"));
    assert(registered.length >= 2, code);
  }
});

test("lost reports in between do not stop a restore; the last one is tried again", async () => {
  let tries = 0;
  const all = room({
    answer: ({ state }) => {
      if (state === "done") return ++tries < 4 ? lost() : { proceed: true, reason: "" };
      return ["receiving", "verifying", "naming", "finishing", "rebooting"].includes(state)
        ? lost()
        : { proceed: true, reason: "" };
    },
  });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(all.reports.at(-1)?.state, "done");
  assert.equal(tries, 4);
});

test("a server that never hears the last word does not keep the machine", async () => {
  const all = room({ answer: ({ state }) => (state === "done" ? lost() : { proceed: true, reason: "" }) });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(all.happened.at(-1), "reboot");
});

test("a machine without a network says so", async () => {
  const all = room({
    change: () => ({
      network: () => {
        throw broken;
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(all.failures, [{ code: "BROKEN", disk: "untouched" }]);
});

const script = { name: "licence", text: "exit 0\n", mostSeconds: 60 };
const scripted: Order = { ...order, scripts: { list: [script], permit: "signed" } };

test("scripts run after the naming, each is reported with what it said, and their permit is asked for first of all", async () => {
  const texts: string[] = [];
  const all = room({ orders: [scripted], change: () => ({ checkPermit: (text) => void texts.push(text) }) });
  assert.equal(await runAgent(all.ports), "done");
  assert.equal(texts[0], scriptsText({ mac: "52:54:00:00:00:07", deployId: "12", list: [script] }));
  assert.match(texts[1] ?? "", /^bootcast erase permit/);
  const steps = all.happened.filter((line) => /^(name|script|finish)/.test(line));
  assert.deepEqual(steps, ["name lab-07", "script licence", "finish"]);
  const told = all.reports.find((report) => report.script !== undefined);
  assert.deepEqual([told?.state, told?.script?.output], ["naming", "hello"]);
});

test("scripts that the server did not sign: nothing is run, and nothing is erased", async () => {
  const refusal = new Fault("SCRIPTS_NOT_PERMITTED", { what: "No.", why: "No.", fix: "No." });
  const all = room({
    orders: [scripted],
    change: () => ({
      checkPermit: (text) => {
        if (text.startsWith("bootcast scripts")) throw refusal;
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "SCRIPTS_NOT_PERMITTED", disk: "untouched" }]);
});

test("a script that fails ends the order as failed, after what it said was reported, and the rest is not run", async () => {
  const all = room({
    orders: [{ ...order, scripts: { list: [script, { ...script, name: "second" }], permit: "signed" } }],
    change: (_, { happened }) => ({
      runScript: async ({ script: { name } }) => {
        happened.push(`script ${name}`);
        return { name, ended: "timed out", code: null, seconds: 60, output: "waiting for the licence server" };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(all.failures, [{ code: "SCRIPT_FAILED", disk: "complete" }]);
  assert.deepEqual(
    all.happened.filter((line) => /^(script|finish)/.test(line)),
    ["script licence"],
  );
  assert.match(all.reports.at(-1)?.fault?.why ?? "", /waiting for the licence server/);
});

const leavings = ["load kernel", "start kernel", "power off", "enter", "reboot"];
const ends: readonly {
  afterwards: Afterwards;
  lines: readonly string[];
  what?: string;
  change?: Partial<AgentPorts>;
}[] = [
  { afterwards: "reboot", lines: ["report done", "reboot"] },
  // On a machine that does as it is told nothing follows.
  { afterwards: "power-off", lines: ["report done", "power off", "reboot"] },
  { afterwards: "kexec", lines: ["load kernel", "report done", "start kernel", "reboot"] },
  { afterwards: "wait", lines: ["report done", "enter", "reboot"] },
  {
    afterwards: "kexec",
    what: ", where the kernel cannot be loaded",
    change: { loadKernel: () => Promise.reject(new Fault("KEXEC_NO_KERNEL", { what: "None.", why: "No.", fix: "" })) },
    lines: ["report done", "reboot"],
  },
];
for (const { afterwards, lines, what = "", change } of ends) {
  test(`a restored machine is left as ordered: ${afterwards}${what}`, async () => {
    const terms: OrderTerms = { disk: "only", erase: "quick", confirmed: [], known: "", afterwards };
    const all = room({ orders: [{ ...order, terms } as Order], change: () => change ?? {} });
    assert.equal(await runAgent(all.ports), "done");
    assert.deepEqual(
      all.happened.filter((line) => leavings.includes(line) || line === "report done"),
      lines,
    );
  });
}

test("a machine that failed restarts, whatever was ordered for one that is restored", async () => {
  const terms: OrderTerms = { disk: "only", erase: "quick", confirmed: [], known: "", afterwards: "power-off" };
  const all = room({
    orders: [{ ...order, terms } as Order],
    change: () => ({ verify: () => Promise.reject(lost()) }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(
    all.happened.filter((line) => leavings.includes(line)),
    ["reboot"],
  );
});

const alive = { url: "http://10.77.0.1:8440/agent/v1/hosts/7/alive", token: "q".repeat(43), permit: "signed" };
const calling: Order = { ...order, alive } as Order;

for (const [what, callsWhenUp] of [
  ["a system that can call", true],
  ["none that can", false],
] as const) {
  test(`the restored system is to call: ${what}`, async () => {
    const texts: string[] = [];
    let named: unknown;
    const all = room({
      orders: [calling],
      change: () => ({
        checkPermit: (text) => void texts.push(text),
        async name(request) {
          named = request.alive;
          return { changes: 1, modules: [], notes: [], systems: [], callsWhenUp };
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "done");
    const { url, token } = alive;
    assert.equal(texts[0], aliveText({ mac: "52:54:00:00:00:07", deployId: "12", url, token }));
    assert.match(texts[1] ?? "", /^bootcast erase permit/);
    assert.deepEqual(named, alive);
    const told = all.reports.filter((report) => report.callsWhenUp === true).map(({ state }) => state);
    assert.deepEqual(told, callsWhenUp ? ["rebooting", "done"] : []);
    assert.equal(
      all.happened.some((line) => line.includes("WARNING: no system on the disk can say")),
      !callsWhenUp,
    );
  });
}

test("a call that the server did not sign is not written, and nothing is erased", async () => {
  const all = room({
    orders: [calling],
    change: () => ({
      checkPermit: (text) => {
        if (text.startsWith("bootcast alive"))
          throw new Fault("ALIVE_NOT_PERMITTED", { what: "No.", why: "", fix: "" });
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
});

test("scripts or a call that were taken out on the way, and scripts of before, are found out before anything is written", async () => {
  const about = { mac: "52:54:00:00:00:07", deployId: "12" };
  const ends: OrderTerms = { ...terms, alive: true, scripts: scriptsDigest({ ...about, list: [script] }) };
  const scripts = { list: [script], permit: "signed" };
  const whole = { ...order, alive, scripts, terms: ends };
  assert.equal(await runAgent(room({ orders: [whole] }).ports), "done");
  const { alive: _, ...callless } = whole;
  const { scripts: __, ...scriptless } = whole;
  const older = { ...whole, scripts: { ...scripts, list: [{ ...script, text: "echo older" }] } };
  for (const changed of [callless, scriptless, older]) {
    const all = room({ orders: [changed] });
    assert.equal(await runAgent(all.ports), "failed");
    assertUntouched(all);
    assert.deepEqual(all.failures, [{ code: "ORDER_CHANGED", disk: "untouched" }]);
  }
});

const seen = { keptBytes: 900, neededBytes: 100 };
const heldPart = { isWhole: false, count: () => seen } as unknown as HeldCells;
const heldAll = { isWhole: true, count: () => ({ keptBytes: 1000, neededBytes: 0 }) } as unknown as HeldCells;
const keepTerms: OrderTerms = { disk: "only", erase: "none", confirmed: [], known: "" };
const looks =
  (held: HeldCells) =>
  (_: AgentPorts, { happened }: Room) => ({
    look: async () => {
      happened.push("look");
      return held;
    },
  });

test("a disk that is to keep what is right is looked at before it is opened, and the server hears what was kept", async () => {
  const all = room({ orders: [{ ...order, terms: keepTerms }], change: looks(heldPart) });
  assert.equal(await runAgent(all.ports), "done");
  const [looked, opened] = [all.happened.indexOf("look"), all.happened.indexOf("disk open")];
  assert(looked >= 0 && looked < opened);
  assert.deepEqual(all.reports.map(({ kept }) => kept).filter(Boolean), [{ bytes: 900, receivedBytes: 100 }]);
});

test("a restore that was interrupted goes on, on that disk alone", async () => {
  const terms: OrderTerms = { ...keepTerms, erase: "zeros", resumes: diskIdentity(disk) };
  const again = room({ orders: [{ ...order, terms }], change: looks(heldPart) });
  await runAgent(again.ports);
  assert(again.happened.includes("look"));
  const resumes = diskIdentity({ ...disk, serial: "disk-8" });
  const other = room({ orders: [{ ...order, terms: { ...terms, resumes } }], change: looks(heldPart) });
  await runAgent(other.ports);
  assert(!other.happened.includes("look"), "another disk is erased");
  assert.equal(other.reports.find(({ challenge }) => challenge !== undefined)?.disk, diskIdentity(disk));
});

for (const [name, held, state] of [
  ["part of", heldPart, "partly written"],
  ["all of", heldAll, "complete"],
] as const) {
  test(`what is said of a disk that keeps ${name} the image when its permit comes and nothing else does`, async () => {
    const all = room({
      orders: [{ ...order, terms: keepTerms }],
      change: (ports, built) => ({ ...looks(held)(ports, built), erase: fails }),
    });
    assert.equal(await runAgent(all.ports), "failed");
    assert.deepEqual(all.failures, [{ code: "BROKEN", disk: state }]);
  });
}

test("nothing is opened when looking at the disk fails", async () => {
  const all = room({ orders: [{ ...order, terms: keepTerms }], change: () => ({ look: fails }) });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
});

test("as much is read back as was ordered; a rule that is not understood stops it before the disk is opened", async () => {
  const rules: string[] = [];
  for (const verify of ["none", "whole", "sampled=5% seed=7", undefined]) {
    const all = room({
      orders: [{ ...order, terms: { ...keepTerms, erase: "quick", ...(verify === undefined ? {} : { verify }) } }],
      change: () => ({
        verify: async ({ rule }) => {
          rules.push(verifyRuleText(rule));
          return 0;
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "done");
  }
  assert.deepEqual(rules, ["none", "whole", "sampled=5% seed=7", "whole"]);
  const unknown = room({ orders: [{ ...order, terms: { ...keepTerms, verify: "half" } }] });
  assert.equal(await runAgent(unknown.ports), "failed");
  assertUntouched(unknown);
});
