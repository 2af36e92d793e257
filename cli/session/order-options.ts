import { type Command, Option } from "commander";
import {
  type Afterwards,
  afterwards,
  type DiskIds,
  diskIds,
  type EraseMethod,
  eraseMethods,
  type Growth,
  growths,
} from "../../agent/contract.ts";
import type { DeployRequestBody } from "../../server/api/schemas.ts";
import { duration, parseCount, wholeNumber } from "../settings/option-values.ts";

/** A day, as for `bootcast stream`. */
const MOST_WAIT_MS = 86_400_000;

/** What every order can say, given now or by a schedule. */
export type OrderOptions = {
  readonly waitFor?: number;
  readonly maxWait?: number;
  readonly disk?: string;
  readonly erase?: EraseMethod;
  readonly grow?: Growth;
  readonly ids?: DiskIds;
  readonly verify?: string;
  readonly then?: Afterwards;
  readonly alive?: boolean;
  readonly canary?: readonly string[] | boolean;
  readonly batch?: number;
  readonly maxFailed?: number;
};

/** @param erase what is meant where nothing is said */
export function orderOptions(command: Command, erase: EraseMethod): Command {
  return command
    .option(
      "--wait-for <n>",
      "start the stream when so many hosts are ready (default: all named, 1 for any)",
      parseCount,
    )
    .option(
      "--max-wait <time>",
      "or so long after the first was ready: 90s, 10m, or seconds (default: 10m)",
      duration({ mostMs: MOST_WAIT_MS }),
    )
    .option(
      "--disk <rule>",
      'which disk, where a host has several: "smallest", "serial=S21*", "size=200G..2T transport=nvme" (default: the only one that fits)',
    )
    .addOption(
      new Option(
        "--erase <method>",
        `how it is erased, or none: what is right already stays, and only the rest is sent (default: ${erase})`,
      ).choices(eraseMethods),
    )
    .addOption(
      new Option(
        "--grow <what>",
        "of a larger disk: the last partition and its file system, or keep all (default: last)",
      ).choices(growths),
    )
    .addOption(
      new Option("--ids <what>", "keep the image's disk numbers and UUIDs, or renew them (default: keep)").choices(
        diskIds,
      ),
    )
    .option(
      "--verify <how>",
      "how much of the disk is read back: whole, sampled, sampled=10%, or none (default: whole)",
    )
    .addOption(
      new Option("--then <what>", "what the machines do when they are restored (default: reboot)").choices(afterwards),
    )
    .option("--alive", "the restored systems say that they are up; a small job of their first start calls this server")
    .option("--no-alive", "they do not, whatever is set (hosts.alive)")
    .option(
      "--canary [hosts...]",
      "these go first, or so many (default: one); the others begin when that is up again under its name",
    )
    .option("--batch <n>", "so many at a time; the next ones when those are through", parseCount)
    .option(
      "--max-failed <n>",
      "when more fail, nobody else begins (default: a tenth of the hosts, at least 1)",
      wholeNumber(0, 100_000),
    );
}

/** What they say, for the API. */
export function orderOf(options: OrderOptions): Partial<DeployRequestBody> {
  const waves = wavesOf(options);
  return {
    ...(options.waitFor === undefined ? {} : { waitFor: options.waitFor }),
    ...(options.maxWait === undefined ? {} : { maxWaitMs: options.maxWait }),
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    ...(options.erase === undefined ? {} : { erase: options.erase }),
    ...(options.grow === undefined ? {} : { grow: options.grow }),
    ...(options.ids === undefined ? {} : { ids: options.ids }),
    ...(options.verify === undefined ? {} : { verify: options.verify }),
    ...(options.then === undefined ? {} : { afterwards: options.then }),
    ...(options.alive === undefined ? {} : { alive: options.alive }),
    ...(waves === undefined ? {} : { waves }),
  };
}

/** Hosts that go one group after the other; undefined: all at once. */
function wavesOf({ canary, batch, maxFailed }: OrderOptions): DeployRequestBody["waves"] {
  if (canary === undefined && batch === undefined && maxFailed === undefined) return undefined;
  const first = canary === undefined || canary === false ? undefined : canary === true ? 1 : canary;
  const isNumber = Array.isArray(first) && first.length === 1 && /^\d+$/.test(first[0]!);
  return {
    ...(first === undefined
      ? {}
      : { canary: isNumber ? Number((first as readonly string[])[0]) : (first as string[] | 1) }),
    ...(batch === undefined ? {} : { batch }),
    ...(maxFailed === undefined ? {} : { mostFailed: maxFailed }),
  };
}
