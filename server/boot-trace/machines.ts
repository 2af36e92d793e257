import type { BootTraceEntry, TracedEntry } from "./boot-trace.ts";

/** A machine that was refused, with the sentence that says why. */
export type RefusedBoot = { readonly mac: string; readonly atMs: number; readonly reason: string };

/** What happened in the last `withinMs`. */
export type RecentBoots = {
  readonly withinMs: number;
  /** Machines that asked for something to boot. */
  readonly tried: number;
  /** Those whose last question was refused, the newest first. */
  readonly refused: readonly RefusedBoot[];
};

const RECENT_MS = 600_000;
/** After so long without a packet the next one is another boot. */
const OTHER_BOOT_AFTER_MS = 600_000;
/** The same for firmware's first question. It repeats it for about a minute. */
const FIRMWARE_AGAIN_AFTER_MS = 90_000;
const MOST_MACHINES = 8_192;

/** How far a boot is: the firmware asks, a file was fetched, the script was. */
const Stage = { firmware: 0, file: 1, script: 2 } as const;
type Stage = (typeof Stage)[keyof typeof Stage];

type Machine = {
  boot: number;
  stage: Stage;
  lastMs: number;
  /** When it last asked for something to boot; undefined for a machine that only wants an address. */
  triedMs?: number | undefined;
  refusal?: string | undefined;
  /** The file that it was told to fetch. */
  offered?: string | undefined;
};

/** Sorts entries into boots: one power-on of one machine, from its firmware's first packet to its last file. */
export class BootMachines {
  /** By hardware address, the one that was heard of longest ago first. */
  readonly #machines = new Map<string, Machine>();

  /** The id of the first entry of the boot that this one belongs to; undefined when the machine is not known. */
  place(entry: BootTraceEntry, id: number, atMs: number): number | undefined {
    const { mac } = entry;
    if (mac === undefined) return undefined;
    const known = this.#machines.get(mac);
    const before = known === undefined || isOtherBoot(entry, known, atMs) ? undefined : known;
    return this.#keep(mac, entry, atMs, before ?? { boot: id, stage: Stage.firmware, lastMs: atMs });
  }

  /** An entry that was placed in an earlier run of the server. */
  restore({ mac, boot, atMs, ...entry }: TracedEntry): void {
    if (mac === undefined || boot === undefined) return;
    const known = this.#machines.get(mac);
    this.#keep(mac, entry, atMs, known?.boot === boot ? known : { boot, stage: Stage.firmware, lastMs: atMs });
  }

  /** When this machine last asked for something to boot. */
  triedMs(mac: string): number | undefined {
    return this.#machines.get(mac)?.triedMs;
  }

  recent(nowMs: number): RecentBoots {
    const machines = [...this.#machines].filter(([, { triedMs = 0 }]) => nowMs - triedMs < RECENT_MS);
    const refused = machines.flatMap(([mac, { refusal, triedMs = 0 }]) =>
      refusal === undefined ? [] : [{ mac, atMs: triedMs, reason: refusal }],
    );
    return { withinMs: RECENT_MS, tried: machines.length, refused: refused.toSorted((a, b) => b.atMs - a.atMs) };
  }

  #keep(mac: string, entry: BootTraceEntry, atMs: number, machine: Machine): number {
    machine.lastMs = atMs;
    machine.stage = Math.max(machine.stage, stageOf(entry)) as Stage;
    if (isAttempt(entry)) {
      machine.triedMs = atMs;
      if (entry.isRefusal === true) machine.refusal = entry.reason ?? "";
      // A loader may ask for files that need not exist; not so for the one that it was told to fetch.
      else if (entry.answered === undefined && entry.asked.replace(/^\/+/, "") === machine.offered)
        machine.refusal = entry.reason;
      else if (entry.answered !== undefined || isFirstQuestion(entry)) machine.refusal = undefined;
      const file = entry.detail?.["file"];
      if (typeof file === "string") machine.offered = file;
    }
    this.#machines.delete(mac);
    this.#machines.set(mac, machine);
    if (this.#machines.size > MOST_MACHINES) {
      const [oldest] = this.#machines.keys();
      if (oldest !== undefined) this.#machines.delete(oldest);
    }
    return machine.boot;
  }
}

/** Whether the machine has begun anew: a first question after it had come further, or after a long silence. */
function isOtherBoot(entry: BootTraceEntry, { stage, lastMs }: Machine, atMs: number): boolean {
  if (atMs - lastMs > OTHER_BOOT_AFTER_MS) return true;
  if (!isFirstQuestion(entry) || !isAttempt(entry)) return false;
  // iPXE asks anew after the firmware has fetched it, and that is the same boot.
  if (isIpxe(entry)) return stage === Stage.script;
  return stage > Stage.firmware || atMs - lastMs > FIRMWARE_AGAIN_AFTER_MS;
}

function isFirstQuestion({ asked }: BootTraceEntry): boolean {
  return asked.startsWith("DISCOVER") || asked.startsWith("INFORM[LIST]");
}

function stageOf({ service, asked }: BootTraceEntry): Stage {
  if (service !== "tftp" && service !== "http") return Stage.firmware;
  return service === "http" && asked.startsWith("boot script") ? Stage.script : Stage.file;
}

/** Whether somebody wants to boot, rather than only an address. */
function isAttempt({ service, detail }: BootTraceEntry): boolean {
  return service !== "dhcp" || detail?.["is"] !== undefined;
}

function isIpxe({ detail }: BootTraceEntry): boolean {
  return ["ours", "ipxe", "small-ipxe"].includes(String(detail?.["is"]));
}
