import { open, readFile, unlink } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { startTimeOf } from "./process-mark.ts";

/**
 * Marks that this process makes a version of an image. The mark of a process
 * that no longer runs is taken over. Two that try at the same moment are told
 * apart when they publish (`writeManifest` never replaces): this only says it early.
 *
 * @param path the lock file; its text is "pid start-time"
 * @returns gives the lock back
 * @throws {Fault} IMAGE_BUSY
 */
export async function takeImageLock(path: string, image: string): Promise<() => Promise<void>> {
  const own = `${process.pid} ${await startTimeOf(process.pid)}`;
  for (let tries = 0; tries < 3; tries += 1) {
    if (await create(path, own)) return () => unlink(path).catch(() => {});
    const holder = await readFile(path, "utf8").catch(() => "");
    const [pid, startTime] = holder.split(" ");
    if (startTime !== undefined && (await startTimeOf(Number(pid))) === startTime) throw busy(image, pid!);
    await unlink(path).catch(() => {});
  }
  throw busy(image, "unknown");
}

async function create(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(text).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function busy(image: string, pid: string): Fault {
  return new Fault("IMAGE_BUSY", {
    what: `A version of the image "${image}" is being made just now.`,
    why: `Process ${pid} imports it.`,
    fix: "Wait until it is done, or choose another --name.",
  });
}
