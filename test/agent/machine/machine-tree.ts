import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MachineFiles, plainText } from "../../../agent/machine/machine-files.ts";

export type Tree = { files: Record<string, string>; links: Record<string, string> };

/** A machine of test/vectors/machines: what its /proc and /sys say, written down from machines of that kind. */
export function machineTree(name: string): Tree {
  const path = join(import.meta.dirname, "../../vectors/machines", `${name}.json`);
  return JSON.parse(readFileSync(path, "utf8")) as Tree;
}

/** A tree as the agent reads it. Characters above 0x7f stand for single bytes. */
export function treeFiles({ files, links }: Tree): MachineFiles {
  const bytes = (path: string) => (Object.hasOwn(files, path) ? Buffer.from(files[path]!, "latin1") : undefined);
  return {
    bytes,
    text: (path) => plainText(bytes(path)),
    link: (path) => links[path] ?? "",
    list(path) {
      const names = [...Object.keys(files), ...Object.keys(links)]
        .filter((name) => name.startsWith(`${path}/`))
        .map((name) => name.slice(path.length + 1).split("/")[0]!);
      return [...new Set(names)].sort();
    },
  };
}
