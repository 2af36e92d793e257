import { networkInterfaces } from "node:os";
import { pino } from "pino";
import { examineDisks } from "../../agent/disk/examine-disks.ts";
import { readInventory } from "../../agent/machine/inventory.ts";
import { thisMachine } from "../../agent/machine/machine-files.ts";
import { tools } from "../../agent/machine/tools.ts";
import { Fault } from "../../fault.ts";
import { isRefusal } from "../restore/refusals.ts";
import { runRestore } from "../restore/run-restore.ts";
import { RestoreOutput } from "../restore/screen.ts";
import { asFault, Exit, exitOf, faultText, outputOptions } from "../terminal/output.ts";
import type { Questions } from "../terminal/questions.ts";
import { VERSION } from "../version.ts";
import { diskTable, inventoryText, refusalOf, sourceTable } from "./local-inventory.ts";
import { type LocalSource, sourcesOfFolders, sourcesOfStore, sourcesOnNetwork } from "./local-sources.ts";

export type LocalFlags = {
  readonly dataDir: string;
  /** Folders whose images are offered. */
  readonly images: readonly string[];
  /** False: the network is not asked for streams. */
  readonly isNetworkAsked: boolean;
  readonly trust?: string;
  readonly noverify?: boolean;
};

/**
 * A restore that a person makes at the machine itself: shows what the machine is, asks which image, which disk, and at last
 * asr's question. Nothing is opened for writing before that is answered with y.
 *
 * @returns the exit code: of the restore, or 0 when nothing was chosen
 */
export async function agentLocal(flags: LocalFlags, questions: Questions): Promise<number> {
  if (!outputOptions().input || outputOptions().json) {
    throw new Fault("CONFIRM_MISSING", {
      what: "Nothing was done.",
      why: "This asks which image and which disk, and --no-input or --json forbids to ask.",
      fix: 'Use "bootcast restore --source … --target … --erase --noprompt".',
    });
  }
  const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "silent" }, pino.destination(2));
  const write = (text: string) => void process.stdout.write(text);
  const inventory = readInventory(thisMachine, { bootMac: undefined, agentVersion: VERSION });
  write(`bootcast ${VERSION}: restore a disk of this machine\n\n${inventoryText(inventory, addressesOfCards())}\n\n`);
  const disks = await examineDisks(inventory.disks, { files: thisMachine, tools, log });
  write("Disks:\n");
  write(disks.length === 0 ? "  none: the kernel shows no disk\n" : `${diskTable(disks)}\n`);
  if (flags.isNetworkAsked) write("\nLooking for streams on the network ...\n");
  const sources = [
    ...(await sourcesOfFolders(flags.images)),
    ...(await sourcesOfStore(flags.dataDir)),
    ...(flags.isNetworkAsked ? await sourcesOnNetwork(log) : []),
  ];
  write(sources.length === 0 ? "\nNo image was found here.\n" : `\nImages:\n${sourceTable(sources)}\n`);
  const source = await chooseSource(sources, questions);
  if (source === undefined) return nothingDone(write);
  const free = disks.filter((disk) => refusalOf(disk) === undefined).map(({ path }) => path);
  const target = await chooseTarget(free, questions);
  if (target === undefined) return nothingDone(write);
  const output = new RestoreOutput("people", write);
  try {
    const restore = { source: source.source, target, erase: true, dataDir: flags.dataDir, ...optional(flags) };
    await runRestore(restore, output, async (question) => (await questions.ask(question)) ?? "");
    write(`\n${target} holds ${source.title} now.\n`);
    return Exit.done;
  } catch (error) {
    const fault = asFault(error);
    output.fail(fault);
    process.stderr.write(faultText(fault));
    return isRefusal(fault) ? Exit.refused : exitOf(error);
  }
}

function addressesOfCards(): Map<string, string> {
  const own = Object.entries(networkInterfaces()).flatMap(([name, entries]) => {
    const address = entries?.find(({ family }) => family === "IPv4")?.address;
    return address === undefined ? [] : [[name, address] as const];
  });
  return new Map(own);
}

async function chooseSource(sources: readonly LocalSource[], questions: Questions): Promise<LocalSource | undefined> {
  const numbers = sources.length === 0 ? "" : `number, or `;
  for (;;) {
    const answer = await questions.ask(`\nImage (${numbers}https://..., asr://..., a path; q ends): `);
    if (isEnd(answer)) return undefined;
    if (!/^\d+$/.test(answer)) return { title: answer, detail: "", source: answer };
    const chosen = sources[Number(answer) - 1];
    if (chosen !== undefined) return chosen;
    process.stdout.write(`There is no image ${answer}.\n`);
  }
}

async function chooseTarget(free: readonly string[], questions: Questions): Promise<string | undefined> {
  const numbers = free.length === 0 ? "" : "number, or ";
  for (;;) {
    const answer = await questions.ask(`Disk (${numbers}a path; q ends): `);
    if (isEnd(answer)) return undefined;
    // A path is checked as that of any restore: a disk that is in use is refused there.
    if (!/^\d+$/.test(answer)) return answer;
    const chosen = free[Number(answer) - 1];
    if (chosen !== undefined) return chosen;
    process.stdout.write(`There is no disk ${answer} that can be chosen.\n`);
  }
}

/** An empty line is asked again by whoever typed it by mistake; it chooses nothing. */
function isEnd(answer: string | undefined): answer is undefined | "" | "q" {
  return answer === undefined || answer === "" || /^q(uit)?$/i.test(answer);
}

function nothingDone(write: (text: string) => void): number {
  write("\nNothing was changed.\n");
  return Exit.done;
}

function optional({ trust, noverify }: LocalFlags) {
  return { ...(trust === undefined ? {} : { trust }), ...(noverify === undefined ? {} : { noverify }) };
}
