/**
 * One host for test/bench/restore-to-disk.ts: erase or look, receive, write and read back as the agent does it. It is
 * bundled as the agent is. Its one argument is a `RestoreHostOrder`; it prints one JSON object a line.
 */
import { createPublicKey } from "node:crypto";
import { pino } from "pino";
import { realClock } from "../../agent/client/backoff.ts";
import type { Disk } from "../../agent/contract.ts";
import { eraseDisk } from "../../agent/disk/erase.ts";
import { lookAtDisk } from "../../agent/disk/held-disk.ts";
import { DiskSource } from "../../agent/disk/source.ts";
import { DiskTarget } from "../../agent/disk/target.ts";
import { wipeHeld } from "../../agent/disk/wipe-held.ts";
import { thisMachine } from "../../agent/machine/machine-files.ts";
import { tools } from "../../agent/machine/tools.ts";
import { StreamControl } from "../../agent/stream/control.ts";
import { describeStream } from "../../agent/stream/describe.ts";
import { FileTarget } from "../../agent/stream/file-target.ts";
import { receiveStream } from "../../agent/stream/receive.ts";
import { openCellThreads } from "../../agent/threads/cell-threads.ts";
import { processUse } from "./measure.ts";

export type RestoreHostOrder = {
  readonly server: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** "file" is a file of its own; the others are of the disk at `path`. */
  readonly work: "restore" | "file" | "delta" | "read back";
};

export type RestoreHostSaid = {
  readonly type: "done";
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** Of the packs that came. */
  readonly receivedBytes: number;
  /** Cells that were wrong before; of "read back" none may be. */
  readonly wrongBytes: number;
};

const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));

async function run({ server: address, path, sizeBytes, work }: RestoreHostOrder): Promise<void> {
  const server = new URL(address);
  const control = new StreamControl({ server });
  const { streams } = await control.streams();
  const { streamId } = streams[0]!.description;
  const trusted = [createPublicKey(await control.key(streamId))];
  const described = await describeStream(control, streamId, trusted);
  const { manifest } = described;
  const disk = { path, sizeBytes, sectorBytes: 512 } as Disk;
  let startedAt = performance.now();
  let receivedBytes = 0;
  let wrongBytes = 0;

  const look = async () => {
    const source = await DiskSource.open(disk, tools, { isDirect: true });
    const threads = await openCellThreads(log);
    try {
      return await lookAtDisk(manifest, source, { work: threads });
    } finally {
      await threads.close();
      await source.close();
    }
  };
  const receive = async (target: DiskTarget | FileTarget, held?: Awaited<ReturnType<typeof look>>) => {
    const received = await receiveStream({
      server,
      streamId,
      trusted,
      described,
      target,
      held,
      name: "disk",
      interfaceAddress: server.hostname,
      beforeWrite: async () => {
        // What comes before is waiting for the group.
        if (held === undefined) startedAt = performance.now();
        if (target instanceof FileTarget) {
          await target.create({ found: undefined });
          return { isZeroed: true };
        }
        await target.open();
        if (held !== undefined) return wipeHeld(held, target);
        return eraseDisk(disk, target, { files: thisMachine, tools, clock: realClock, log });
      },
      log,
    });
    await target.close();
    receivedBytes = received.storedBytes;
  };

  if (work === "restore") await receive(new DiskTarget(disk, manifest));
  else if (work === "file") await receive(new FileTarget(path, sizeBytes));
  else {
    const held = await look();
    wrongBytes = held.count().neededBytes;
    if (work === "delta") await receive(new DiskTarget(disk, manifest), held);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { cpuSeconds, peakBytes } = processUse(process.pid);
  const said: RestoreHostSaid = { type: "done", seconds, cpuSeconds, peakBytes, receivedBytes, wrongBytes };
  console.log(JSON.stringify(said));
  await control.close();
}

void run(JSON.parse(process.argv[2] ?? "") as RestoreHostOrder);
