/** What a boot loader would start. Paths as it writes them: inside the volume that it reads. */
export type KernelChoice = {
  readonly kernel: string;
  readonly initrds: readonly string[];
  readonly commandLine: string;
};

type Entry = { isSubmenu: boolean; inside: Entry[]; kernel?: KernelChoice | undefined };

/**
 * What GRUB would start by itself, out of its grub.cfg: the entry of `set default`, else the first. Only plain menus as
 * grub-mkconfig writes them are understood; a line that GRUB would have to compute is none.
 *
 * @returns undefined when that entry is no Linux, or cannot be read
 */
export function grubChoice(text: string): KernelChoice | undefined {
  const root: Entry = { isSubmenu: true, inside: [] };
  // Menus are open while their braces are; other braces ("function x {") count on the same stack.
  const open: (Entry | undefined)[] = [root];
  let standard = 0;
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    if (line.startsWith("#")) continue;
    const menu = /^(menuentry|submenu)\b/.exec(line);
    const here = open.findLast((entry) => entry !== undefined);
    if (menu !== null) {
      const entry: Entry = { isSubmenu: menu[1] === "submenu", inside: [] };
      here?.inside.push(entry);
      if (line.endsWith("{")) open.push(entry);
    } else if (line.endsWith("{")) open.push(undefined);
    else if (line === "}") open.pop();
    const [, number] = /^set default="?(\d{1,3})"?$/.exec(line) ?? [];
    if (number !== undefined) standard = Number(number);
    if (here === undefined || here === root || here.isSubmenu) continue;
    const [, linux] = /^linux(?:16|efi)?\s+(.+)$/.exec(line) ?? [];
    const [, initrd] = /^initrd(?:16|efi)?\s+(.+)$/.exec(line) ?? [];
    if (linux !== undefined) here.kernel = kernelOf(linux, []);
    if (initrd !== undefined && here.kernel !== undefined) {
      here.kernel = isPlain(initrd) ? { ...here.kernel, initrds: words(initrd) } : undefined;
    }
  }
  let entry = root.inside[standard] ?? root.inside[0];
  while (entry?.isSubmenu === true) entry = entry.inside[0];
  return entry?.kernel;
}

/**
 * What a loader would start that reads one file for each kernel (uapi-group.org, Boot Loader Specification, type 1):
 * the newest by version. Unset variables are nothing, as to GRUB.
 */
export function specificationChoice(files: readonly string[]): KernelChoice | undefined {
  const entries = files
    .map((text) => new Map(text.split("\n").map((line) => line.trim().split(/\s+(.*)/s, 2) as [string, string])))
    .filter((entry) => entry.get("linux") !== undefined && !/rescue/i.test(entry.get("linux") ?? ""))
    .toSorted((one, other) => {
      const version = (entry: ReadonlyMap<string, string>) => entry.get("version") ?? entry.get("linux") ?? "";
      return version(other).localeCompare(version(one), "en", { numeric: true });
    });
  const [newest] = entries;
  if (newest === undefined) return undefined;
  const known = (text: string | undefined) => (text ?? "").replaceAll(/\$tuned_(params|initrd)\b/g, "").trim();
  const options = known(newest.get("options"));
  const initrds = known(newest.get("initrd"));
  return isPlain(initrds) ? kernelOf(`${newest.get("linux")} ${options}`, words(initrds)) : undefined;
}

function kernelOf(line: string, initrds: readonly string[]): KernelChoice | undefined {
  if (!isPlain(line)) return undefined;
  const [kernel = "", ...options] = words(line);
  return kernel.startsWith("/") ? { kernel, initrds, commandLine: options.join(" ") } : undefined;
}

/** Nothing that a loader replaces, and nothing quoted. */
function isPlain(text: string): boolean {
  return !/[$"'\\`]/.test(text);
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
