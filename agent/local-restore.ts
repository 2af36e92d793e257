import type { Logger } from "pino";
import type { HeldCells } from "../images/held-cells.ts";
import type { Manifest } from "../images/manifest.ts";
import type { Disk } from "./contract.ts";
import { lookAtDisk } from "./disk/held-disk.ts";
import { formatSize } from "./disk/sizes.ts";
import { DiskSource } from "./disk/source.ts";
import { DiskTarget } from "./disk/target.ts";
import { verifyDisk } from "./disk/verify-disk.ts";
import type { AgentConsole } from "./display/console.ts";
import { RestoreScreen } from "./display/screen.ts";
import type { Tools } from "./machine/tools.ts";
import type { LookRequest, VerifyRequest } from "./ports.ts";
import { StreamControl } from "./stream/control.ts";
import type { GroupKeys } from "./stream/group-keys.ts";
import { openCellThreads } from "./threads/cell-threads.ts";

type Machine = { readonly tools: Tools; readonly log: Logger; readonly screen: AgentConsole };

/** What of the image the disk holds; all of that is read, and nothing is written. */
export async function lookAtLocalDisk(request: LookRequest, machine: Machine): Promise<HeldCells> {
  const { disk, manifest, signal, onProgress } = request;
  const { tools, log, screen } = machine;
  const marks = new RestoreScreen();
  const source = await openSource(disk, manifest, tools);
  const work = await openCellThreads(log);
  try {
    return await lookAtDisk(manifest, source, {
      work,
      signal,
      onUnreadable: ({ what }) => log.warn({ disk: disk.path }, what),
      onProgress: ({ doneBytes, totalBytes }) => {
        const fraction = totalBytes === 0 ? 1 : doneBytes / totalBytes;
        screen.raw(marks.progress("Comparing", fraction));
        const detail = `compared ${formatSize(doneBytes)} of ${formatSize(totalBytes)} with the image`;
        onProgress({ percent: fraction * 100, doneBytes, detail });
      },
    });
  } finally {
    screen.raw(marks.endLine());
    await work.close();
    await source.close();
  }
}

/** Reads the disk back as ordered, from the device itself. @returns how many cells were written again */
export async function readLocalDiskBack(
  request: VerifyRequest,
  machine: Machine & { readonly groupKeys: GroupKeys },
): Promise<number> {
  const { disk, manifest, server, streamId, rule, signal, onProgress, beforeWrite } = request;
  const { tools, log, screen, groupKeys } = machine;
  const control = new StreamControl({ server, signal, groupKeys });
  const marks = new RestoreScreen();
  const work = await openCellThreads(log);
  try {
    const rewritten = await verifyDisk(
      manifest,
      {
        openSource: () => openSource(disk, manifest, tools),
        openTarget: async () => {
          beforeWrite();
          const target = new DiskTarget(disk, manifest);
          await target.open();
          return target;
        },
        fetchPack: (pack) => control.pack(streamId, pack),
      },
      {
        signal,
        work,
        rule,
        onUnreadable: ({ what }) => log.warn({ disk: disk.path }, what),
        onProgress: ({ doneBytes, totalBytes }) => {
          const fraction = totalBytes === 0 ? 1 : doneBytes / totalBytes;
          screen.raw(marks.progress("Verifying", fraction));
          onProgress({
            percent: fraction * 100,
            doneBytes,
            detail: `read back ${formatSize(doneBytes)} of ${formatSize(totalBytes)}`,
          });
        },
        onWait: (reason) =>
          onProgress({ detail: `writing again what was read back wrong${reason === "" ? "" : `. ${reason}`}` }),
      },
    );
    screen.raw(marks.endLine());
    return rewritten;
  } finally {
    await work.close();
    await control.close();
  }
}

function openSource(disk: Disk, manifest: Manifest, tools: Tools): Promise<DiskSource> {
  return DiskSource.open(disk, tools, { isDirect: true, layout: manifest });
}
