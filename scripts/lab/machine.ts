import { mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { ConsoleText } from "./console.ts";
import { firmwareVariables } from "./firmware-variables.ts";
import { type Monitor, openMonitor } from "./monitor.ts";
import type { LabProcess, Namespace } from "./namespace.ts";
import {
  type Bus,
  type DiskPart,
  givingWay,
  type MachineParts,
  qemuArguments,
  qemuProgram,
  saidWhole,
  uefiFiles,
} from "./qemu.ts";

export type DiskOptions = {
  /** A raw image file; made, empty and sparse, when it is not there. Default `<directory>/<name>-disk<n>.raw`. */
  readonly path?: string;
  /** Needed when the file is to be made. */
  readonly sizeBytes?: number;
  readonly bus?: Bus;
  readonly serial?: string;
  /** True: what the machine writes is forgotten when it stops, and the file stays as it is. */
  readonly isThrowAway?: boolean;
  /** A sector of 512 bytes, counted from 0, that can be read and not be written. */
  readonly badSector?: number;
};

export type MachineOptions = {
  readonly namespace: Namespace;
  /** The switch it is plugged into; without it the machine has a card and no cable. */
  readonly bridge?: string;
  /** Where its disks, its firmware variables and its monitor are kept. Keep the path short: it holds a socket. */
  readonly directory: string;
  /** At most 11 characters: it names the tap device too. */
  readonly name: string;
  readonly firmware: MachineParts["firmware"];
  readonly mac: string;
  readonly uuid: string;
  readonly disks: readonly DiskOptions[];
  readonly serial?: string;
  readonly nic?: MachineParts["nic"];
  readonly boot?: MachineParts["boot"];
  readonly program?: string;
  readonly memoryMebibytes?: number;
};

/** A virtual machine with its power on or off. */
export type Machine = {
  readonly name: string;
  /** The disks' image files, in order. Read them only while the power is off. */
  readonly diskPaths: readonly string[];
  /** Everything it wrote on its serial console since it was made. */
  consoleText(): string;
  /** The present end of the console: give it as `from` to wait for what comes after now. */
  mark(): number;
  /**
   * Waits until the console shows `pattern` (a string is looked for as it is).
   *
   * @param what what is waited for, for the error: "the login prompt"
   * @param from where on the console to begin; default its beginning
   * @throws {Fault} LAB_TIMEOUT with the last 30 lines; MACHINE_DIED when QEMU ended; MACHINE_OFF
   */
  waitForLine(pattern: RegExp | string, deadlineMs: number, what: string, from?: number): Promise<RegExpMatchArray>;
  /** Types on the serial console. */
  type(text: string): void;
  /** Presses the reset button. */
  reset(): Promise<void>;
  /** The plug is pulled: nothing in the machine is told. */
  cutPower(): Promise<void>;
  powerOn(): Promise<void>;
  /** QEMU's own word for its state: "running", "paused", "guest-panicked"; "off" without power. */
  status(): Promise<string>;
  /** Switches it off for good. May be called in any state, and twice. */
  stop(): Promise<void>;
};

/**
 * Makes a machine in the lab and switches it on.
 *
 * @throws {Fault} MACHINE_DIED when QEMU does not start
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { namespace, directory, name } = options;
  await mkdir(directory, { recursive: true });
  const disks = await Promise.all(options.disks.map((disk, index) => makeDisk(options, disk, index)));
  const tap = options.bridge === undefined ? undefined : `tap-${name}`;
  if (tap !== undefined && options.bridge !== undefined) await namespace.addTap(tap, options.bridge);
  const parts: MachineParts = {
    name,
    firmware: options.firmware,
    mac: options.mac,
    uuid: options.uuid,
    serial: options.serial ?? `LAB-${name}`,
    nic: options.nic ?? "virtio",
    tap,
    disks,
    boot: options.boot ?? "network",
    program: options.program,
    memoryMebibytes: options.memoryMebibytes ?? 1024,
  };
  const files = { variables: join(directory, `${name}-variables.fd`), monitor: join(directory, `${name}.monitor`) };
  if (parts.firmware !== "bios") await writeFile(files.variables, await variablesOf(parts, parts.firmware));
  const console = new ConsoleText(name);
  let running: { qemu: LabProcess; monitor: Monitor | undefined } | undefined;

  async function powerOn(): Promise<void> {
    if (running !== undefined) return;
    await rm(files.monitor, { force: true });
    console.reopen();
    const qemu = namespace.spawn(...saidWhole(givingWay(qemuProgram(parts.firmware), qemuArguments(parts, files))));
    const own = { qemu, monitor: undefined as Monitor | undefined };
    running = own;
    let words = "";
    qemu.stdout.on("data", (bytes: Buffer) => console.append(bytes));
    qemu.stderr.on("data", (bytes: Buffer) => {
      words += bytes.toString("utf8");
    });
    void qemu.exited.then((exit) => {
      // When the power was cut on purpose, `running` is already another or none.
      if (running !== own) return;
      running = undefined;
      console.end(died(name, exit.signal ?? `exit code ${exit.exitCode}`, words, console.tail()));
    });
    own.monitor = await openMonitor(files.monitor, () => running !== own).catch(() => {
      throw died(name, "its monitor not opened", words, "");
    });
  }

  async function cutPower(): Promise<void> {
    const own = running;
    if (own === undefined) return;
    running = undefined;
    own.monitor?.close();
    own.qemu.signal("SIGKILL");
    await own.qemu.stop(1_000);
    console.end(off(name));
  }

  function live(): { qemu: LabProcess; monitor: Monitor } {
    if (running?.monitor === undefined) throw off(name);
    return { qemu: running.qemu, monitor: running.monitor };
  }

  await powerOn();
  return {
    name,
    diskPaths: disks.map((disk) => disk.path),
    consoleText: () => console.text,
    mark: () => console.text.length,
    waitForLine(pattern, deadlineMs, what, from = 0) {
      const expression =
        typeof pattern === "string" ? new RegExp(pattern.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")) : pattern;
      return console.waitFor(expression, { deadlineMs, what, from });
    },
    type(text) {
      live().qemu.stdin.write(text);
    },
    async reset() {
      await live().monitor.execute("system_reset");
    },
    cutPower,
    powerOn,
    async status() {
      if (running?.monitor === undefined) return "off";
      const answer = (await running.monitor.execute("query-status")) as { status: string };
      return answer.status;
    },
    stop: cutPower,
  };
}

/** Without an entry of ours, the firmware finds the disks before the network. */
async function variablesOf(parts: MachineParts, firmware: keyof typeof uefiFiles): Promise<Uint8Array> {
  const initial = await readFile(uefiFiles[firmware].variables);
  return parts.boot === "disk" || firmware === "uefi-arm64"
    ? initial
    : firmwareVariables(initial, parts.mac, parts.boot);
}

async function makeDisk(options: MachineOptions, disk: DiskOptions, index: number): Promise<DiskPart> {
  const path = disk.path ?? join(options.directory, `${options.name}-disk${index}.raw`);
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    if (disk.sizeBytes === undefined) throw new Error(`${path} is not there and no size is given to make it.`);
    const file = await open(path, "wx");
    await file.truncate(disk.sizeBytes);
    await file.close();
  }
  return {
    path,
    bus: disk.bus ?? "virtio",
    serial: disk.serial ?? `${options.name}-${index}`,
    isThrowAway: disk.isThrowAway ?? false,
    badSector: disk.badSector,
  };
}

function died(name: string, how: string, words: string, tail: string): Fault {
  return new Fault("MACHINE_DIED", {
    what: `Machine ${name}: QEMU ended (${how}).`,
    why: `It wrote: ${words.trim() || "nothing"}${tail === "" ? "" : `\nThe end of the console:\n${tail}`}`,
    fix: "See whether another QEMU uses its files, and whether memory is left.",
  });
}

function off(name: string): Fault {
  return new Fault("MACHINE_OFF", {
    what: `Machine ${name} is switched off.`,
    why: "Its power was cut, or it ended by itself.",
    fix: "Switch it on first.",
  });
}
