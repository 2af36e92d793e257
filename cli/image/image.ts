import { Command } from "commander";
import { examples } from "../terminal/output.ts";

/** In the order in which `bootcast image --help` lists them. */
const verbs: Readonly<Record<string, () => Promise<Command>>> = {
  import: async () => (await import("./import.ts")).imageImportCommand(),
  scan: async () => (await import("./scan.ts")).imageScanCommand(),
  create: async () => (await import("./create.ts")).imageCreateCommand(),
  list: async () => (await import("./list.ts")).imageListCommand(),
  info: async () => (await import("./info.ts")).imageInfoCommand(),
  verify: async () => (await import("./verify.ts")).imageVerifyCommand(),
  diff: async () => (await import("./diff.ts")).imageDiffCommand(),
  tag: async () => (await import("./tag.ts")).imageTagCommand(),
  remove: async () => (await import("./remove.ts")).imageRemoveCommand(),
  sweep: async () => (await import("./remove.ts")).imageSweepCommand(),
  export: async () => (await import("./export.ts")).imageExportCommand(),
  convert: async () => (await import("./convert.ts")).imageConvertCommand(),
  mount: async () => (await import("./mount.ts")).imageMountCommand(),
  cat: async () => (await import("./cat.ts")).imageCatCommand(),
  "first-boot-job": async () => (await import("./first-boot-job.ts")).imageFirstBootJobCommand(),
  keys: async () => (await import("./keys.ts")).imageKeysCommand(),
};

/**
 * `bootcast image …`: works on the store in the data directory, with or without a running server.
 *
 * @param verb the only one whose file is loaded, where there is such a one: all of them take longer than a short command works
 */
export async function imageCommand(verb?: string): Promise<Command> {
  const command = new Command("image").description("Makes, lists, checks and exports disk images.");
  examples(command, [
    "bootcast image import golden.raw --name lab-debian",
    "bootcast image list",
    "bootcast image info lab-debian",
    "bootcast image verify lab-debian",
    "bootcast image export lab-debian copy.raw",
  ]);
  const wanted = verb !== undefined && Object.hasOwn(verbs, verb) ? [verb] : Object.keys(verbs);
  for (const name of wanted) command.addCommand(await verbs[name]!());
  return command;
}
