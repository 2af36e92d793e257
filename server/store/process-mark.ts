import { createHash } from "node:crypto";
import { readFile, readlink } from "node:fs/promises";

/**
 * Names this process so that another one can tell later whether it still runs:
 * "place-pid-start", where the place is one boot of one machine (or container),
 * and the start time keeps another process with the same number from being taken for it.
 */
export async function ownMark(): Promise<string> {
  return `${await placeOf()}-${process.pid}-${await startTimeOf(process.pid)}`;
}

/** True when the process with this mark ran here and does not any more; undefined when that cannot be told. */
export async function isGone(mark: string): Promise<boolean | undefined> {
  const [place, pid, start] = mark.split("-");
  if (place !== (await placeOf())) return undefined;
  return (await startTimeOf(Number(pid))) !== start;
}

/** When a process began, in the kernel's ticks; "gone" when there is none with this number. */
export async function startTimeOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name in parentheses may hold spaces; the start time is field 22, the 20th behind it (proc_pid_stat(5)).
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "gone";
}

let place: string | undefined;

async function placeOf(): Promise<string> {
  if (place === undefined) {
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
    const processes = await readlink("/proc/self/ns/pid").catch(() => "");
    place = createHash("sha256").update(`${boot}${processes}`).digest("hex").slice(0, 12);
  }
  return place;
}
