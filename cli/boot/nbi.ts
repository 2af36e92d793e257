import { isIPv4 } from "node:net";
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { imageNumberOf } from "../../bsdp/net-boot-choice.ts";
import { Fault } from "../../fault.ts";
import { buildNbi, type NbiEfi, nbiEfis } from "../../scripts/boot-image/nbi.ts";
import type { NbiBundle } from "../../server/boot/nbi-folder.ts";
import type { NbiLibrary } from "../../server/boot/nbi-library.ts";
import type { Config } from "../../server/config/config.ts";
import { servedInterfaces } from "../../server/network/interfaces.ts";
import { bundlesOf } from "../serve/dhcp-wiring.ts";
import { ownOptions } from "../settings/configuration.ts";
import { wholeNumber } from "../settings/option-values.ts";
import { configOf } from "../settings/read-configuration.ts";
import { Exit, examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { VERSION } from "../version.ts";

/** From 4096 on an image is the same one on every server that has it. */
const DEFAULT_INDEX = 4160;

/** What `boot-image build` takes besides with `--nbi`. */
export type NbiFlags = { nbi?: boolean; server?: string; index: number; name: string; efi: NbiEfi; output?: string };

export function nbiBuildOptions(command: Command): Command {
  return command
    .option("--nbi", "write bootcast.nbi instead, for a NetBoot server that is there already (Apple's, BSDPy, NetSUS)")
    .option(
      "--server <url>",
      "with --nbi: this bootcast server as Macs reach it, like http://10.77.0.1:8440",
      parseServer,
    )
    .option("--index <n>", "with --nbi: its image number", wholeNumber(1, 65_535), DEFAULT_INDEX)
    .option("--name <text>", "with --nbi: its name in the boot picker", "bootcast")
    .addOption(
      new Option("--efi <kind>", "with --nbi: Macs from mid-2007 on (x64), those of 2006 (ia32), or both in one (fat)")
        .choices(nbiEfis)
        .default("x64"),
    );
}

const ofBundle = ["server", "index", "name", "efi"];
const ofBootImage = ["arch", "agent", "raspberryPi", "quick"];

/** A flag that would do nothing is a mistake of whoever typed it. @throws {Fault} USAGE */
export function refuseFlagsOfTheOther(command: Command, isBundle: boolean): void {
  const wrong = (isBundle ? ofBootImage : ofBundle).find((name) => command.getOptionValueSource(name) === "cli");
  const flag = command.options.find((option) => option.attributeName() === wrong)?.long;
  if (flag === undefined) return;
  throw new Fault("USAGE", {
    what: isBundle ? `${flag} does not go with --nbi.` : `${flag} goes only with --nbi.`,
    why: isBundle
      ? "A bundle holds a loader alone; the rest comes from the server."
      : "It says what a NetBoot bundle is.",
    fix: `Leave ${flag} out, or build ${isBundle ? "without --nbi" : "with --nbi"}.`,
  });
}

/** `boot-image build --nbi`. @throws {Fault} USAGE when the server's address is not clear, BOOT_IMAGE_… */
export async function writeNbi(flags: NbiFlags, { config, cacheDir }: { config: Config; cacheDir: string }) {
  const { index, name, efi } = flags;
  const server = flags.server ?? ownServer(config);
  const outputDir = resolve(flags.output ?? ".");
  const result = await buildNbi({ outputDir, cacheDir, server, index, name, efi, version: VERSION, say });
  printResult({ ...result, server, index, name, efi }, () =>
    [
      `${result.folder}: asks ${server} what a Mac boots`,
      ...result.files.map(({ name: file, sizeBytes }) => `  ${file.padEnd(18)} ${formatSize(sizeBytes).padStart(9)}`),
      "Copy it to the folder of the NetBoot server that holds its other images. It needs nothing else from there.",
    ].join("\n"),
  );
}

function parseServer(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === "http:" && isIPv4(url.hostname) && url.pathname === "/" && url.search === "") return url.origin;
  throw new InvalidArgumentError("Write it with an address and a port, like http://10.77.0.1:8440.");
}

function ownServer({ values }: Config): string {
  const interfaces = servedInterfaces(values["network.interfaces"]);
  const [first] = interfaces;
  if (interfaces.length === 1 && first !== undefined) return `http://${first.address}:${values["http.port"]}`;
  throw new Fault("USAGE", {
    what: "It is not clear which address of this server Macs are to ask.",
    why: `It has several: ${interfaces.map(({ name, address }) => `${name} (${address})`).join(", ")}.`,
    fix: `Give one, like --server http://${first?.address ?? "10.77.0.1"}:${values["http.port"]}.`,
  });
}

/** `boot-image nbi`: which NetBoot bundles there are, who is offered them, and what is wrong with the others. */
export function nbiListCommand(): Command {
  const command = new Command("nbi").description(
    "Lists the NetBoot bundles that Macs without an order are offered, and says what is wrong with those that are not served. Exit code 1 when one is not.",
  );
  examples(command, [
    "bootcast boot-image nbi                          # those of bsdp.nbi and of nbi/ in the data directory",
    "bootcast boot-image nbi /srv/netboot             # what another folder holds",
  ]);
  return globalOptions(ownOptions(command))
    .argument("[folder...]", "folders that hold bundles, instead of those of the configuration")
    .action(async (folders: string[]) => {
      const library = await readBundles(configOf(command), folders);
      const bundles = library.bundles.map(summaryOf);
      printResult(
        { bundles, faults: library.faults },
        () =>
          [...bundles.map(linesOf), ...library.faults.map(faultLines)].join("\n") || "There are no NetBoot bundles.",
      );
      const isWell = library.faults.length === 0 && bundles.every(({ faults }) => faults.length === 0);
      if (!isWell) process.exitCode = Exit.failed;
    });
}

/** The bundles of the configuration, or of other folders, as the server would read them now. */
export async function readBundles(config: Config, folders: readonly string[] = []): Promise<NbiLibrary> {
  const library = bundlesOf(config, {
    httpPort: () => config.values["http.port"],
    now: () => Date.now(),
    ...(folders.length === 0 ? {} : { folders }),
  });
  await library.scan();
  return library;
}

function summaryOf(bundle: NbiBundle) {
  const { info } = bundle;
  return {
    folder: `${bundle.share}/${bundle.name}`,
    state: bundle.state,
    ...(bundle.state === "served"
      ? { image: imageNumberOf(bundle.image).toString(16).padStart(8, "0"), bootFile: bundle.image.bootFile }
      : {}),
    ...(info === undefined
      ? {}
      : {
          name: info.name,
          index: info.index,
          type: info.type,
          isDefault: info.isDefault,
          isInstall: info.isInstall,
          isFilterOnly: info.isFilterOnly,
          architectures: info.architectures,
          enabledSystemIds: info.enabledSystemIds,
          disabledSystemIds: info.disabledSystemIds,
          enabledMacs: info.enabledMacs,
          disabledMacs: info.disabledMacs,
          notes: info.notes,
        }),
    faults: bundle.state === "refused" ? bundle.faults.map((fault) => fault.toJSON()) : [],
  };
}

type Summary = ReturnType<typeof summaryOf>;

function linesOf(bundle: Summary): string {
  if (bundle.state === "refused") return [`refused   ${bundle.folder}`, ...bundle.faults.map(reasonLines)].join("\n");
  const words = [bundle.type, bundle.isInstall ? "install" : "", bundle.isDefault ? "default" : ""];
  const head = `${bundle.state.padEnd(8)}  ${bundle.folder}: "${bundle.name}", ${words.filter(Boolean).join(", ")}`;
  if (bundle.state === "disabled") return `${head}\n          IsEnabled is false`;
  return [head, `          image ${bundle.image}, for ${whoOf(bundle)}`, ...noteLines(bundle)].join("\n");
}

function whoOf({ architectures = [], isFilterOnly, ...lists }: Summary): string {
  const parts = [
    `every ${architectures.join(" and ")} Mac without an order`,
    isFilterOnly ? "that asks for its kind" : "",
    listOf("of the models", lists.enabledSystemIds),
    listOf("not the models", lists.disabledSystemIds),
    listOf("with the addresses", lists.enabledMacs),
    listOf("not the addresses", lists.disabledMacs),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function listOf(words: string, items: readonly string[] = []): string {
  if (items.length === 0) return "";
  return `${words} ${items.slice(0, 4).join(" ")}${items.length > 4 ? ` and ${items.length - 4} more` : ""}`;
}

function noteLines({ notes = [] }: Summary): string[] {
  return notes.map((note) => `          note: ${note}`);
}

function faultLines(fault: Fault): string {
  return `error     ${fault.what}\n${reasonLines(fault)}`;
}

function reasonLines({ why, fix }: Pick<Fault, "why" | "fix">): string {
  return `          why: ${why}\n          fix: ${fix}`;
}
