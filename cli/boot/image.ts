import { join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { type Architecture, architectures, hostArchitecture, namesOf } from "../../scripts/boot-image/architecture.ts";
import { buildBootImage, type FirmwareChoice, firmwareChoices } from "../../scripts/boot-image/build.ts";
import { type BootImage, readBootImages } from "../../scripts/boot-image/description.ts";
import type { Extras } from "../../scripts/boot-image/extras.ts";
import { buildRaspberryFolder, raspberryFolder } from "../../scripts/boot-image/raspberry.ts";
import { readAuthorizedKeys } from "../../scripts/boot-image/remote-shell.ts";
import { readCredentials } from "../../scripts/boot-image/wired-8021x.ts";
import type { ConfigValues } from "../../server/config/config.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { ownOptions } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { VERSION } from "../version.ts";
import { cacheDirectory } from "./cache-directory.ts";
import { bootImageUsbCommand } from "./image-usb.ts";
import { type NbiFlags, nbiBuildOptions, nbiListCommand, refuseFlagsOfTheOther, writeNbi } from "./nbi.ts";

/** `bootcast boot-image …`: the Linux that netbooted machines run. */
export function bootImageCommand(): Command {
  const command = new Command("boot-image").description(
    "The Linux that netbooted machines run: kernel, drivers, tools and the agent, made from Debian packages.",
  );
  examples(command, [
    "bootcast boot-image build              # into the data directory, where the server finds it",
    "bootcast boot-image show               # what it is made of",
    "sudo bootcast boot-image usb --out /dev/sdb   # a stick that starts machines without a network",
    "bootcast boot-image nbi                # the NetBoot bundles that Macs are offered",
  ]);
  return command
    .addCommand(buildCommand())
    .addCommand(showCommand())
    .addCommand(bootImageUsbCommand())
    .addCommand(nbiListCommand());
}

function buildCommand(): Command {
  const command = new Command("build").description(
    "Builds the boot image, or says that it is up to date. Needs no root; what was downloaded is kept for the next time.",
  );
  examples(command, [
    "bootcast boot-image build                        # into the data directory, where the server finds it",
    "bootcast boot-image build --arch amd64,arm64     # for PCs and for arm64 machines",
    "bootcast boot-image build --raspberry-pi         # for Raspberry Pis as well, which boot the arm64 one",
    "bootcast boot-image build --output /tmp/boot     # somewhere else",
    "bootcast boot-image build --nbi --output /srv    # a NetBoot bundle for Apple's server, BSDPy or NetSUS",
  ]);
  return nbiBuildOptions(globalOptions(ownOptions(command)))
    .option("--output <dir>", "where it goes (default: boot/ in the data directory; with --nbi: here)")
    .option("--agent <file>", "a ready agent, one CommonJS file, instead of the one of this bootcast")
    .option("--arch <list>", `${architectures.join(" or ")}, or both: what machines it is for`, parseArchitectures, [
      hostArchitecture,
    ])
    .addOption(
      new Option("--firmware <which>", "firmware that some network cards load: where apt has it, always, or never")
        .choices(firmwareChoices)
        .default("auto"),
    )
    .option("--quick", "packed in two seconds instead of a minute, and a sixth larger: to try something out")
    .option("--raspberry-pi", "also the folder that Raspberry Pis boot from; makes the arm64 image")
    .action(async (options: BuildFlags) => {
      refuseFlagsOfTheOther(command, options.nbi === true);
      const config = configOf(command);
      const { dataDir } = config;
      const cacheDir = cacheDirectory();
      if (options.nbi === true) return writeNbi(options, { config, cacheDir });
      const { trusted } = await loadSiteKey(dataDir);
      const extras = await readExtras(config.values);
      const started = performance.now();
      const elapsedMs = (): number => Math.round(performance.now() - started);
      const clock = (): string => `${(elapsedMs() / 1000).toFixed(1).padStart(6)} s`;
      const outputDir = resolve(options.output ?? join(dataDir, "boot"));
      const chosen = options.raspberryPi ? [...new Set([...options.arch, "arm64" as const])] : options.arch;
      const sayOf = (name: string) => (text: string) =>
        say(`${clock()}  ${chosen.length > 1 ? `${name}: ` : ""}${text}`);
      // Most of the time is compressing, on one processor each.
      const images = await Promise.all(
        chosen.map(async (architecture) => {
          const image = await buildBootImage({
            architecture,
            outputDir,
            cacheDir,
            agentFile: options.agent,
            siteKey: trusted.map((key) => key.export({ type: "spki", format: "pem" }).toString()).join(""),
            version: VERSION,
            extras,
            firmware: options.firmware,
            packing: options.quick === true ? "quick" : "best",
            say: sayOf(architecture),
            warn: (text) => sayOf(architecture)(`warning: ${text}`),
          });
          return { directory: join(outputDir, namesOf[architecture].folder), ...image };
        }),
      );
      const raspberryPi = options.raspberryPi
        ? await buildRaspberryFolder({ outputDir, cacheDir, say: sayOf("raspberry-pi") })
        : undefined;
      const isUnchanged = images.every((image) => image.isUnchanged) && raspberryPi?.isUnchanged !== false;
      say(`${clock()}  ${isUnchanged ? "nothing has changed" : "done"}`);
      printResult({ directory: outputDir, elapsedMs: elapsedMs(), images, ...(raspberryPi && { raspberryPi }) }, () =>
        [
          ...images.map(describe),
          ...(raspberryPi
            ? [`${join(outputDir, raspberryFolder)}: Raspberry Pi, firmware ${raspberryPi.firmware}`]
            : []),
        ].join("\n"),
      );
    });
}

function showCommand(): Command {
  const command = new Command("show").description("Shows what the boot image is made of.");
  examples(command, ["bootcast boot-image show", "bootcast boot-image show --json"]);
  return globalOptions(ownOptions(command))
    .option("--output <dir>", "where it is (default: boot/ in the data directory)")
    .action(async (options: { output?: string }) => {
      const directory = resolve(options.output ?? join(configOf(command).dataDir, "boot"));
      const images = await readBootImages(directory);
      printResult({ directory, images }, () =>
        images.map((image) => `${describe(image)}\n${packageLines(image)}`).join("\n"),
      );
    });
}

type BuildFlags = NbiFlags & {
  output?: string;
  agent?: string;
  arch: readonly Architecture[];
  firmware: FirmwareChoice;
  raspberryPi?: boolean;
  quick?: boolean;
};

/** What the settings want in the image besides. Whoever can reach the server can read it, so that is said. */
async function readExtras(values: ConfigValues): Promise<Extras> {
  const [keys, credentials] = [values["boot.remote_shell"], values["boot.wired_8021x"]];
  const remoteShell = keys === undefined ? undefined : await readAuthorizedKeys(keys);
  const wired8021x = credentials === undefined ? undefined : await readCredentials(credentials);
  if (remoteShell !== undefined) {
    say(`warning: boot.remote_shell is set: ${remoteShell.trim().split("\n").length} keys can log in to every client`);
  }
  if (wired8021x !== undefined) {
    say("warning: the 802.1X credentials go into initramfs.img, which everybody on the network can fetch");
  }
  return { remoteShell, wired8021x };
}

function parseArchitectures(text: string): Architecture[] {
  const names = new Set(text.split(",").map((name) => name.trim()));
  const chosen = architectures.filter((architecture) => names.has(architecture));
  if (chosen.length === names.size) return chosen;
  throw new InvalidArgumentError(`Write ${architectures.join(", ")} or ${architectures.join(",")}.`);
}

function describe(image: BootImage & { readonly directory: string }): string {
  const lines = [
    `${image.directory}: ${image.architecture}, bootcast ${image.bootcast}, Linux ${image.kernel}, Node ${image.node}`,
    ...image.files.map(({ name, sizeBytes, sha256 }) => {
      return `  ${name.padEnd(18)} ${formatSize(sizeBytes).padStart(9)}  sha256 ${sha256.slice(0, 16)}`;
    }),
    `  unpacked on a client: ${formatSize(image.unpackedBytes)} of memory`,
    ...(image.extras?.length ? [`  for this site: ${image.extras.join(", ")}`] : []),
  ];
  return lines.join("\n");
}

function packageLines(image: BootImage): string {
  return [
    `made of ${image.packages.length} Debian packages:`,
    ...image.packages.map(({ name, version }) => `  ${name} ${version}`),
  ].join("\n");
}
