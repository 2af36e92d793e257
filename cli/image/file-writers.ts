import type { MachineFiles } from "../../agent/machine/machine-files.ts";

/** O_WRONLY or O_RDWR (open(2)). */
const WRITES = 0b11;

/**
 * Other programs that have a file open for writing: another restore, a virtual machine whose disk it is. Those of
 * other users are only seen by root.
 *
 * @param path without links
 * @returns "qemu-system-x86 (process 4711)"
 */
export function writersOf(path: string, files: MachineFiles, ownPid: number): string[] {
  const others = files.list("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== ownPid);
  return others
    .filter((pid) => files.list(`/proc/${pid}/fd`).some((number) => writes(path, files, pid, number)))
    .map((pid) => `${files.text(`/proc/${pid}/comm`) || "a program"} (process ${pid})`);
}

// proc(5), fdinfo: "flags:\t0100002", octal, as in open(2).
function writes(path: string, files: MachineFiles, pid: string, number: string): boolean {
  if (files.link(`/proc/${pid}/fd/${number}`) !== path) return false;
  const flags = /^flags:\s*([0-7]+)/m.exec(files.text(`/proc/${pid}/fdinfo/${number}`))?.[1] ?? "0";
  return (Number.parseInt(flags, 8) & WRITES) !== 0;
}
