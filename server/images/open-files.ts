import { readdir, readFile, stat } from "node:fs/promises";
import { Fault } from "../../fault.ts";

/**
 * Refuses to replace a file that the image which is read is made of: an extent of a VMDK, the backing file of a qcow2,
 * a segment of a .dmg. Whoever reads it has it open: this process, or a `qemu-nbd`. One that serves the file to somebody else refuses it, too.
 *
 * @param output may not be there
 * @throws {Fault} SAME_FILE
 */
export async function refuseOpenFile(input: string, output: string): Promise<void> {
  const target = await stat(output).catch(() => undefined);
  if (target === undefined) return;
  for (const process of ["self", ...(await qemuServers())]) {
    const folder = `/proc/${process}/fd`;
    for (const descriptor of await readdir(folder).catch(() => [])) {
      // One that was closed meanwhile is not read.
      const open = await stat(`${folder}/${descriptor}`).catch(() => undefined);
      if (open?.isFile() && open.dev === target.dev && open.ino === target.ino) throw partOf(input, output);
    }
  }
}

/** virtual-disk.ts has them read for us, in the background, where they are no children of ours any more. */
async function qemuServers(): Promise<string[]> {
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const names = await Promise.all(numbers.map((number) => readFile(`/proc/${number}/comm`, "utf8").catch(() => "")));
  return numbers.filter((_, at) => names[at] === "qemu-nbd\n");
}

function partOf(input: string, output: string): Fault {
  return new Fault("SAME_FILE", {
    what: `${output} cannot be written.`,
    why: `${input} is made of it, or a qemu-nbd reads it: the source would be gone.`,
    fix: "Give another name for what is written.",
  });
}
