import { pino } from "pino";
import { checkPermit, newChallenge } from "../../../agent/client/permit.ts";
import { connect } from "../../../agent/client/server-client.ts";
import type { Inventory } from "../../../agent/contract.ts";
import type { AgentPorts } from "../../../agent/ports.ts";
import { fakeClock } from "../../agent/fake-clock.ts";
import { type Core, machine } from "../core.ts";

/** What a machine does, in its order. */
export const steps = ["describe", "open", "erase", "receive", "verify", "name", "finish", "reboot"] as const;
export type Step = (typeof steps)[number];

/**
 * A machine that is only played, while the agent's own decisions and the server's are real and speak HTTP.
 *
 * @param options.cut where its power goes: that step never ends, and nothing after it happens
 */
export function playedMachine(
  number: number,
  happened: string[],
  options: { core: Core; url: URL; cut?: Step | undefined; inventory?: Partial<Inventory> },
): { ports: AgentPorts; isCut: Promise<void> } {
  const { core, url, cut, inventory } = options;
  const dark = Promise.withResolvers<void>();
  const at = async (step: Step) => {
    happened.push(step);
    if (step !== cut) return;
    dark.resolve();
    await new Promise(() => undefined);
  };
  const [disk] = machine(number).disks;
  const ports: AgentPorts = {
    version: "1",
    clock: fakeClock(),
    screen: {
      about: () => undefined,
      progress: () => undefined,
      state: () => undefined,
      raw: () => undefined,
      failed: ({ code }) => void happened.push(code),
    },
    log: pino({ level: "silent" }),
    givenServer: url,
    network: () => ({ name: "eth0", mac: machine(number).mac, address: "127.0.0.1" }),
    findServer: async () => url,
    connect,
    addressTowards: async () => "127.0.0.1",
    hearTest: async () => 0,
    inventory: () => machine(number, inventory),
    examine: async (disks) => disks,
    availableMemoryBytes: () => 1e9,
    power: () => "unknown",
    async describe() {
      await at("describe");
      const manifest = { diskBytes: 2e9, sectorBytes: 512, tag: { name: "lab-debian", version: 1 } };
      return { info: {}, manifest } as unknown as Awaited<ReturnType<AgentPorts["describe"]>>;
    },
    challenge: newChallenge,
    checkPermit: (text, permit) => checkPermit(text, permit, [core.siteKey.publicKey]),
    look: () => Promise.reject(new Error("no order here keeps what is on the disk")),
    localDisk: () => ({
      sizeBytes: disk!.sizeBytes,
      open: () => at("open"),
      close: async () => undefined,
      read: async (_, length) => new Uint8Array(length),
      write: async () => undefined,
      flush: async () => undefined,
    }),
    async erase() {
      await at("erase");
      return { isZeroed: true, how: "zeroed" };
    },
    async receive({ beforeWrite }) {
      await beforeWrite();
      await at("receive");
      return "1 pass";
    },
    async verify({ beforeWrite }) {
      await at("verify");
      beforeWrite();
      return 0;
    },
    fit: async () => ({ renewed: new Map(), lines: [], notes: [] }),
    async name() {
      await at("name");
      return { changes: 0, modules: [], notes: [], systems: [] };
    },
    async runScript() {
      throw new Error("no order here has scripts");
    },
    async finish() {
      await at("finish");
      return [];
    },
    capture: () => Promise.reject(new Error("nobody ordered a capture")),
    loadKernel: () => Promise.reject(new Error("nobody ordered a kernel")),
    reboot: () => at("reboot"),
    powerOff: async () => void happened.push("power off"),
    startKernel: async () => void happened.push("kernel"),
    keyPressed: async () => false,
    enterPressed: async () => void happened.push("enter"),
  };
  return { ports, isCut: dark.promise };
}
