import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type LabProcess, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";

/** A room to measure in: a server and hosts on one switch, in networks of their own. */
export type RoomOptions = {
  readonly hosts: number;
  /** What each port of the switch and the server's card carry; 0: as much as the machine can. */
  readonly megabitsPerSecond: number;
  /** Share of the packets that is dropped on the way from the switch to each host, by chance. */
  readonly loss: number;
  /** Whether the switch sends a group only where somebody asked for it, and asks itself; otherwise everywhere. */
  readonly isSnooping?: boolean;
  /** What every card and port carries in one packet of IP; 1500 unless told. Without a limit on the ports only. */
  readonly mtuBytes?: number;
};

/** What the server's card has sent, and when: seconds of `performance.now`. */
type Sample = { readonly atSeconds: number; readonly sentBytes: number };

const SAMPLE_MS = 10;
/** Data flows when so much of half a second is used: announcements, canaries and descriptions are not data. */
const FLOW_SECONDS = 0.5;
const FLOW_SHARE = 0.6;

export const serverAddress = "10.78.0.1";

/** The network of host `number`, counted from 1, and its address. */
export const hostName = (number: number): string => `host${number}`;
export const hostAddress = (number: number): string => `10.78.0.${number + 10}`;

export class BenchRoom {
  readonly lab: Namespace;
  readonly options: RoomOptions;
  readonly #witness: LabProcess;
  readonly #witnessPid: number;
  readonly #timer: NodeJS.Timeout;
  readonly #samples: Sample[] = [];

  private constructor(lab: Namespace, options: RoomOptions, witness: LabProcess, witnessPid: number) {
    this.lab = lab;
    this.options = options;
    this.#witness = witness;
    this.#witnessPid = witnessPid;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  static async open(options: RoomOptions): Promise<BenchRoom> {
    const lab = await openNamespace();
    try {
      await lab.addBridge("br0");
      if (options.isSnooping === false)
        await lab.run("ip", ["link", "set", "br0", "type", "bridge", "mcast_snooping", "0"]);
      await lab.addNetns("server", `${serverAddress}/24`, "br0");
      await limit(lab, "eth0", options.megabitsPerSecond, "server");
      // A card cuts what is sent in one call into frames: then each frame can get lost by itself.
      await lab.run("ethtool", ["-K", "eth0", "tx-udp-segmentation", "off"], { netns: "server" });
      for (let number = 1; number <= options.hosts; number += 1) {
        const name = hostName(number);
        await lab.addNetns(name, `${hostAddress(number)}/24`, "br0");
        await limit(lab, name, options.megabitsPerSecond);
        // As cards do: what arrives in one go is given on together.
        await lab.run("ethtool", ["-K", "eth0", "gro", "on"], { netns: name });
      }
      if (options.mtuBytes !== undefined) await setMtu(lab, options.hosts, options.mtuBytes);
      if (options.loss > 0) await lab.run("nft", ["-f", "-"], { input: lossRules(options) });
      const witness = lab.spawn("cat", [], { netns: "server" });
      return new BenchRoom(lab, options, witness, await pidOf(witness));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /**
   * From the first data packet on until the last host ended.
   *
   * @param rateBytesPerSecond what the contender was told to send at most
   */
  flow(
    rateBytesPerSecond: number,
    endedAtSeconds: number,
  ): { readonly startedAtSeconds: number; readonly sentBytes: number } {
    const samples = this.#samples.filter(({ atSeconds }) => atSeconds <= endedAtSeconds + SAMPLE_MS / 1_000);
    const isFlowing = (at: number): boolean => {
      const from = samples[at]!;
      const later = samples.find(({ atSeconds }) => atSeconds >= from.atSeconds + FLOW_SECONDS) ?? samples.at(-1)!;
      const next = samples[at + 1] ?? from;
      const enough = rateBytesPerSecond * FLOW_SECONDS * FLOW_SHARE;
      return later.sentBytes - from.sentBytes >= enough && next.sentBytes > from.sentBytes;
    };
    const start = samples[samples.findIndex((_, at) => isFlowing(at))];
    if (start === undefined) throw new Error("Nothing was sent.");
    return { startedAtSeconds: start.atSeconds, sentBytes: samples.at(-1)!.sentBytes - start.sentBytes };
  }

  /** What the server's card has sent so far, everything counted. */
  get sentBytes(): number {
    return this.#samples.at(-1)?.sentBytes ?? 0;
  }

  /** From now on the port of host `number` carries only so much. */
  async throttle(number: number, megabitsPerSecond: number): Promise<void> {
    await limit(this.lab, hostName(number), megabitsPerSecond, undefined, "replace");
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#witness.stop();
    await this.lab.close();
  }

  #sample(): void {
    const devices = readFileSync(`/proc/${this.#witnessPid}/net/dev`, "latin1");
    const fields = /^\s*eth0:(.*)$/m.exec(devices)![1]!.trim().split(/\s+/);
    this.#samples.push({ atSeconds: performance.now() / 1_000, sentBytes: Number(fields[8]) });
  }
}

// A burst of one frame: whatever is longer is cut up, as on a wire. 100 ms of queue on the server's card, 40 ms in the switch.
async function limit(
  lab: Namespace,
  device: string,
  megabitsPerSecond: number,
  netns?: string,
  how: "add" | "replace" = "add",
): Promise<void> {
  if (megabitsPerSecond === 0) return;
  const queueBytes = Math.round(megabitsPerSecond * 1e6 * (netns === undefined ? 0.04 : 0.1)) >> 3;
  const words = `qdisc ${how} dev ${device} root tbf rate ${megabitsPerSecond}mbit burst 2kb limit ${queueBytes}`;
  await lab.run("tc", words.split(" "), netns === undefined ? {} : { netns });
}

async function setMtu(lab: Namespace, hosts: number, mtuBytes: number): Promise<void> {
  const names = ["server", ...Array.from({ length: hosts }, (_, at) => hostName(at + 1))];
  for (const name of names) {
    await lab.run("ip", ["link", "set", "dev", name, "mtu", String(mtuBytes)]);
    await lab.run("ip", ["link", "set", "dev", "eth0", "mtu", String(mtuBytes)], { netns: name });
  }
}

function lossRules({ hosts, loss }: RoomOptions): string {
  const chains = Array.from({ length: hosts }, (_, at) => {
    const device = hostName(at + 1);
    const rule = `meta protocol ip numgen random mod 100000 < ${Math.round(loss * 100_000)} drop`;
    return `chain ${device} { type filter hook egress device "${device}" priority 0; ${rule}; };`;
  });
  return `table netdev lossy { ${chains.join("\n")} }`;
}

async function pidOf(child: LabProcess): Promise<number> {
  for (let turn = 0; turn < 200; turn += 1) {
    // Before it is `cat`, it is nsenter, in our own network.
    const name = child.pid === undefined ? "" : readFileSync(`/proc/${child.pid}/comm`, "latin1").trim();
    if (name === "cat") return child.pid!;
    await delay(10);
  }
  throw new Error("The witness did not start.");
}
