import type { Logger } from "pino";
import type { Disk } from "../contract.ts";
import type { Tools } from "../machine/tools.ts";
import { DiskSource } from "./source.ts";

const TOOL_TIMEOUT_MS = 30_000;

/**
 * Gives `work` the disk to read. It is opened for reading only, and the kernel is told besides to refuse every
 * write to it; afterwards it is as it was, because the next order may be another one.
 */
export async function withReadOnlyDisk<T>(
  disk: Disk,
  machine: { readonly tools: Tools; readonly log: Logger },
  work: (source: DiskSource) => Promise<T>,
): Promise<T> {
  const { tools, log } = machine;
  const setTo = async (flag: "--setro" | "--setrw") => {
    try {
      await tools.run("blockdev", [flag, disk.path], { timeoutMs: TOOL_TIMEOUT_MS });
    } catch (error) {
      log.warn({ disk: disk.path, flag, err: error }, "blockdev was refused");
    }
  };
  // Flushing the kernel's cache comes before; a disk that is read-only already stays so.
  const source = await DiskSource.open(disk, tools);
  if (!disk.isReadOnly) await setTo("--setro");
  try {
    return await work(source);
  } finally {
    await source.close();
    if (!disk.isReadOnly) await setTo("--setrw");
  }
}
