import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { formatSize } from "../agent/sizes.ts";
import { type BootImage, buildBootImage, readBootImage } from "../scripts/boot-image/build.ts";
import { loadSiteKey } from "../server/keys.ts";
import { configOf, configOptions } from "./configuration.ts";
import { examples, globalOptions, printResult, say } from "./output.ts";
import { VERSION } from "./version.ts";

/** `bootcast boot-image …`: the Linux that netbooted machines run. */
export function bootImageCommand(): Command {
  return new Command("boot-image")
    .description(
      "The Linux that netbooted machines run: kernel, drivers, tools and the agent, made from Debian packages.",
    )
    .addCommand(buildCommand())
    .addCommand(showCommand());
}

function buildCommand(): Command {
  const command = new Command("build").description(
    "Builds the boot image, or says that it is up to date. Needs no root; what was downloaded is kept for the next time.",
  );
  examples(command, [
    "bootcast boot-image build                        # into the data directory, where the server finds it",
    "bootcast boot-image build --output /tmp/boot     # somewhere else",
  ]);
  return globalOptions(configOptions(command))
    .option("--output <dir>", "where it goes (default: boot/ in the data directory)")
    .option("--agent <file>", "a ready agent, one CommonJS file, instead of the one of this bootcast")
    .action(async (options: { output?: string; agent?: string }) => {
      const { dataDir } = configOf(command);
      const { publicKey } = await loadSiteKey(dataDir);
      const started = performance.now();
      const elapsedMs = (): number => Math.round(performance.now() - started);
      const clock = (): string => `${(elapsedMs() / 1000).toFixed(1).padStart(6)} s`;
      const outputDir = resolve(options.output ?? join(dataDir, "boot"));
      const image = await buildBootImage({
        outputDir,
        cacheDir: cacheDirectory(),
        agentFile: options.agent,
        siteKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
        version: VERSION,
        say: (text) => say(`${clock()}  ${text}`),
      });
      say(`${clock()}  ${image.isUnchanged ? "nothing has changed" : "done"}`);
      printResult({ directory: outputDir, elapsedMs: elapsedMs(), ...image }, () => describe(outputDir, image));
    });
}

function showCommand(): Command {
  const command = new Command("show").description("Shows what the boot image is made of.");
  examples(command, ["bootcast boot-image show", "bootcast boot-image show --json"]);
  return globalOptions(configOptions(command))
    .option("--output <dir>", "where it is (default: boot/ in the data directory)")
    .action(async (options: { output?: string }) => {
      const directory = resolve(options.output ?? join(configOf(command).dataDir, "boot"));
      const image = await readBootImage(directory);
      printResult({ directory, ...image }, () => `${describe(directory, image)}\n${packageLines(image)}`);
    });
}

function describe(directory: string, image: BootImage): string {
  const lines = [
    `${directory}: bootcast ${image.bootcast}, Linux ${image.kernel}, Node ${image.node}`,
    ...image.files.map(({ name, sizeBytes, sha256 }) => {
      return `  ${name.padEnd(18)} ${formatSize(sizeBytes).padStart(9)}  sha256 ${sha256.slice(0, 16)}`;
    }),
    `  unpacked on a client: ${formatSize(image.unpackedBytes)} of memory`,
  ];
  return lines.join("\n");
}

function packageLines(image: BootImage): string {
  return [
    `made of ${image.packages.length} Debian packages:`,
    ...image.packages.map(({ name, version }) => `  ${name} ${version}`),
  ].join("\n");
}

function cacheDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bootcast", "boot-image");
}
