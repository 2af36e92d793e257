import { basename } from "node:path";
import { Fault } from "../../fault.ts";
import { readModuleInfo } from "./elf.ts";

/** One kernel module as its `.modinfo` describes it. */
export type KernelModule = {
  /** As the kernel writes it, with "_": "virtio_net". */
  readonly name: string;
  /** Below the modules' directory, uncompressed: "kernel/drivers/net/virtio_net.ko". */
  readonly path: string;
  /** Names of modules that must be loaded before. */
  readonly depends: readonly string[];
  /** Names or aliases that it asks for at run time, "crc32c". */
  readonly softDepends: readonly string[];
  /** Patterns of devices it drives and other names it answers to. */
  readonly aliases: readonly string[];
  /** Files below /lib/firmware that it may load. */
  readonly firmware: readonly string[];
};

/** "virtio-rng" and "virtio_rng" are the same module to the kernel. */
export function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.[a-z0-9]+)?$/, "")
    .replaceAll("-", "_");
}

/**
 * @param path below the modules' directory, ending in ".ko"
 * @throws {Fault} ELF_INVALID
 */
export function readModule(path: string, bytes: Uint8Array): KernelModule {
  const info = readModuleInfo(bytes);
  const words = (key: string, separator: RegExp): string[] =>
    (info.get(key) ?? []).flatMap((value) => value.split(separator)).filter((word) => word !== "");
  return {
    name: moduleName(path),
    path,
    depends: words("depends", /,/).map((name) => name.replaceAll("-", "_")),
    softDepends: words("softdep", /\s+/).filter((word) => !/^(pre|post|platform):$/.test(word)),
    aliases: info.get("alias") ?? [],
    firmware: info.get("firmware") ?? [],
  };
}

/**
 * The wanted modules with everything they depend on, sorted by path.
 *
 * @param wanted module names, or folders below "kernel/" that end in "/"
 * @param builtIn names that this kernel has inside itself
 * @returns `absent`: wanted names that this kernel does not have at all
 * @throws {Fault} MODULE_MISSING when a selected module needs one that is not there
 */
export function selectModules(
  all: readonly KernelModule[],
  wanted: readonly string[],
  builtIn: ReadonlySet<string>,
): { readonly selected: KernelModule[]; readonly absent: string[] } {
  const byName = new Map(all.map((module) => [module.name, module]));
  // Only plain aliases: a device pattern is never a soft dependency.
  const byAlias = Map.groupBy(
    all.flatMap((module) =>
      module.aliases.filter((alias) => /^[\w-]+$/.test(alias)).map((alias) => ({ alias, module })),
    ),
    ({ alias }) => alias,
  );
  const selected = new Set<KernelModule>();
  const absent: string[] = [];
  const select = (module: KernelModule): void => {
    if (selected.has(module)) return;
    selected.add(module);
    for (const name of module.depends) {
      const needed = byName.get(name);
      if (needed !== undefined) select(needed);
      else if (!builtIn.has(name)) throw missing(module.name, name);
    }
    for (const word of module.softDepends) {
      const named = byName.get(word.replaceAll("-", "_"));
      if (named !== undefined) select(named);
      for (const answer of byAlias.get(word) ?? []) select(answer.module);
    }
  };
  for (const name of wanted) {
    if (name.endsWith("/")) {
      const inside = all.filter(({ path }) => path.startsWith(`kernel/${name}`));
      if (inside.length === 0) absent.push(name);
      inside.forEach(select);
      continue;
    }
    const module = byName.get(name.replaceAll("-", "_"));
    if (module !== undefined) select(module);
    else if (!builtIn.has(name.replaceAll("-", "_"))) absent.push(name);
  }
  return { selected: [...selected].sort((a, b) => (a.path < b.path ? -1 : 1)), absent };
}

/**
 * `modules.dep`, as depmod writes it: "path: what it needs", where a module stands left of those that it
 * needs itself, so that modprobe loads from right to left.
 */
export function modulesDep(selected: readonly KernelModule[]): string {
  const byName = new Map(selected.map((module) => [module.name, module]));
  return selected
    .map((module) => {
      const seen = new Set<KernelModule>();
      const order: KernelModule[] = [];
      const visit = (one: KernelModule): void => {
        if (seen.has(one)) return;
        seen.add(one);
        for (const name of one.depends) {
          const needed = byName.get(name);
          if (needed !== undefined) visit(needed);
        }
        order.push(one);
      };
      visit(module);
      const needs = order.reverse().slice(1);
      return `${[`${module.path}:`, ...needs.map(({ path }) => path)].join(" ")}\n`;
    })
    .join("");
}

/** `modules.alias`: which module drives a device, "alias virtio:d00000001v* virtio_net". */
export function modulesAlias(selected: readonly KernelModule[]): string {
  return selected.flatMap(({ name, aliases }) => aliases.map((alias) => `alias ${alias} ${name}\n`)).join("");
}

function missing(name: string, needed: string): Fault {
  return new Fault("MODULE_MISSING", {
    what: `The kernel module ${name} cannot be used.`,
    why: `It needs the module ${needed}, and the kernel package has no such file.`,
    fix: "Build again; if it stays, the kernel package is damaged: remove it from the cache.",
  });
}
