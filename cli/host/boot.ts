import { Command, InvalidArgumentError } from "commander";
import { Fault } from "../../fault.ts";
import type { HostBootBody } from "../../server/api/host-boot-routes.ts";
import type { HostBootChange } from "../../server/hosts/host-boot-rules.ts";
import { withServer } from "../client.ts";
import { configOptions } from "../settings/configuration.ts";
import { wholeNumber } from "../settings/option-values.ts";
import { examples, globalOptions, printResult } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";

const DAY_MS = 86_400_000;
const DEFAULT_BINDING_DAYS = 30;

/** Commander has a meaning of its own for null, so the word stays a word until the request is made. */
type OrDefault<T> = T | "default";

type Options = {
  readonly secureBoot?: OrDefault<boolean>;
  readonly loader?: string;
  readonly address?: string;
  readonly tftpBlksize?: OrDefault<number>;
  readonly tftpWindow?: OrDefault<number>;
  readonly tftpWrap?: OrDefault<0 | 1>;
  readonly netBootImage?: OrDefault<number>;
  readonly for?: number;
};

/** `bootcast host boot`: how one host boots; without options it only shows it. */
export function hostBootCommand(): Command {
  const command = new Command("boot").description(
    'Shows how a host boots, and changes it. The word "default" takes a setting back.',
  );
  examples(command, [
    "bootcast host boot lab-07                          # shows what holds",
    "bootcast host boot lab-07 --secure-boot on         # shim and signed GRUB",
    "bootcast host boot lab-07 --secure-boot default    # as for every host again",
    "bootcast host boot lab-07 --address 10.77.0.60     # kept for it by our own DHCP server",
    "bootcast host boot lab-07 --tftp-blksize 1024 --tftp-window default",
    "bootcast host boot imac-3 --net-boot-image 0x81000089 --for 7",
  ]);
  return configOptions(globalOptions(command))
    .argument("<host>", "name, id or MAC address")
    .option("--secure-boot <on|off|default>", "loaders that Secure Boot trusts", orDefault(onOrOff))
    .option("--loader <path>", "its loader, below the boot directory", orDefault(String))
    .option("--address <ip>", "the address that our own DHCP server keeps for it", orDefault(String))
    .option("--tftp-blksize <bytes>", "the largest TFTP block it gets", orDefault(wholeNumber(8, 65_464)))
    .option("--tftp-window <blocks>", "the largest TFTP window it gets", orDefault(wholeNumber(1, 65_535)))
    .option("--tftp-wrap <0|1>", "the block number that follows 65535", orDefault(wholeNumber(0, 1)))
    .option("--net-boot-image <id>", "the NetBoot image that a Mac is bound to", orDefault(imageId))
    .option("--for <days>", `how long it is bound (default ${DEFAULT_BINDING_DAYS})`, wholeNumber(1, 3650))
    .action((word: string, options: Options) =>
      withServer(command, async (api) => {
        const path = `/api/v1/hosts/${encodeURIComponent(word)}/boot`;
        const change = changeOf(options, Date.now());
        const body =
          change === undefined ? await api.get<HostBootBody>(path) : await api.patch<HostBootBody>(path, change);
        printResult(body, textOf);
      }),
    );
}

/** What to change; undefined when no option asks for anything. */
function changeOf(options: Options, nowMs: number): HostBootChange | undefined {
  const { netBootImage: id, for: days = DEFAULT_BINDING_DAYS } = options;
  if (options.for !== undefined && typeof id !== "number") throw nothingToBind();
  const tftp = {
    blockBytes: given(options.tftpBlksize),
    windowBlocks: given(options.tftpWindow),
    wrapsTo: given(options.tftpWrap),
  };
  const change = {
    secureBoot: given(options.secureBoot),
    loader: given(options.loader),
    address: given(options.address),
    netBootImage: given(typeof id === "number" ? { id, untilMs: nowMs + days * DAY_MS } : id),
    tftp: isEmpty(tftp) ? undefined : tftp,
  };
  return isEmpty(change) ? undefined : change;
}

function nothingToBind(): Fault {
  return new Fault("USAGE", {
    what: "--for says how long, and nothing says to which image.",
    why: "A Mac is bound to a NetBoot image for some days; nothing was changed.",
    fix: "Name the image, too: --net-boot-image 0x81000089 --for 7.",
  });
}

/** Null takes a setting back. */
function given<T>(value: T | "default" | undefined): Exclude<T, "default"> | null | undefined {
  return value === "default" ? null : (value as Exclude<T, "default"> | undefined);
}

const isEmpty = (values: object): boolean => Object.values(values).every((value) => value === undefined);

/** The reader of an option that "default" takes back. */
function orDefault<T>(read: (text: string) => T): (text: string) => OrDefault<T> {
  return (text) => (text === "default" ? text : read(text));
}

function onOrOff(text: string): boolean {
  if (text === "on" || text === "off") return text === "on";
  throw new InvalidArgumentError('Write "on", "off" or "default".');
}

function imageId(text: string): number {
  const id = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  if (id <= 0xffff_ffff) return id;
  throw new InvalidArgumentError('Write the id as a number, like "0x81000089".');
}

function textOf(body: HostBootBody): string {
  const { tftp, netBootImage } = body;
  const from = (name: string) => (body.own.includes(name) ? "set for this host" : "as for every host");
  const bound = netBootImage === null ? "none" : `0x${netBootImage.id.toString(16).padStart(8, "0")}`;
  const until = netBootImage === null ? "" : ` until ${new Date(netBootImage.untilMs).toISOString()}`;
  const wrap = tftp.wrapsTo === null ? "" : `, ${tftp.wrapsTo} after block 65535`;
  return table([
    ["Host", `${body.name} (${body.mac})`, ""],
    ["Boots now", body.boots, ""],
    ["Secure Boot", body.secureBoot ? "on" : "off", from("secureBoot")],
    ["Loader", body.loader ?? "by its firmware", from("loader")],
    ["Address", body.address ?? "from the pool", from("address")],
    ["TFTP", `blocks ${tftp.blockBytes ?? "as asked"}, window ${tftp.windowBlocks ?? "as asked"}${wrap}`, from("tftp")],
    ["NetBoot image", `${bound}${until}`, from("netBootImage")],
  ]);
}
