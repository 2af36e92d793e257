import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { removeVersions } from "../../server/store/remove.ts";
import type { ImageStore, ImageVersion } from "../../server/store/store.ts";
import { SWEEP_AFTER_MS, type SweepResult, sweepStore } from "../../server/store/sweep.ts";
import { hereOptions } from "../settings/configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { confirm, examples, globalOptions, printResult } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { refuseOrdered } from "./ordered.ts";
import { imageReference } from "./reference.ts";
import { writableImageStore } from "./store.ts";

type RemoveFlags = { readonly confirm?: string; readonly now?: boolean };

const nowOption = [
  "--now",
  "free also packs that were used within the last day; an import or a capture that runs meanwhile may have to begin again",
] as const;

/** `bootcast image remove`: takes versions out of the store. */
export function imageRemoveCommand(): Command {
  const command = new Command("remove")
    .description(
      "Takes image versions out of the store and frees the packs that no other image needs. A version that an order hands out stays.",
    )
    .argument("<image...>", "name:version, one or more; a name alone means all of its versions")
    .option("--confirm <image>", "the first image named, to say that you are sure (asked for on a terminal)")
    .option(...nowOption);
  examples(command, [
    "bootcast image remove lab-debian:1",
    "bootcast image remove lab-debian:1 lab-debian:2 --confirm lab-debian:1",
    "bootcast image remove kiosk --confirm kiosk      # all of its versions",
  ]);
  return globalOptions(hereOptions(command)).action(async (given: readonly string[], flags: RemoveFlags) => {
    const store = await writableImageStore(command);
    const images = await versionsOf(store, given);
    await refuseOrdered(command, images);
    await confirm(given[0]!, flags.confirm, { does: "removes images", verb: "remove" });
    // Once more: while the person was asked, somebody may have ordered one.
    await refuseOrdered(command, images);
    await removeVersions(store, images);
    const swept = await sweep(store, flags.now === true);
    const names = images.map(({ name, version }) => `${name}:${version}`);
    printResult({ removed: names, ...swept }, () => `Removed ${names.join(", ")}. ${sweptText(swept)}`);
  });
}

/** `bootcast image sweep`: frees what a removal or an import that was interrupted has left. */
export function imageSweepCommand(): Command {
  const command = new Command("sweep")
    .description(
      "Frees packs that no image needs and nobody used for a day: after an interrupted removal, import or capture. The server does it at its start.",
    )
    .option(...nowOption);
  examples(command, ["bootcast image sweep", "bootcast image sweep --now"]);
  return globalOptions(hereOptions(command)).action(async (flags: { readonly now?: boolean }) => {
    const swept = await sweep(await writableImageStore(command), flags.now === true);
    printResult(swept, () => sweptText(swept));
  });
}

async function sweep(store: ImageStore, isNow: boolean): Promise<SweepResult> {
  const progress = progressLine("freeing");
  return sweepStore(store, {
    now: Date.now(),
    afterMs: isNow ? 0 : SWEEP_AFTER_MS,
    onProgress: (done, total) => progress.update(done, total),
    signal: interruption('It was interrupted; "bootcast image sweep" goes on with it.').signal,
  }).finally(() => progress.end());
}

function sweptText({ removedPacks, freedBytes, keptPacks, keptBytes }: SweepResult): string {
  const freed = `${removedPacks} packs freed, ${formatSize(freedBytes)}.`;
  if (keptPacks === 0) return freed;
  return `${freed} ${keptPacks} more (${formatSize(keptBytes)}) were used within the last day and stay for now (--now frees them).`;
}

async function versionsOf(store: ImageStore, given: readonly string[]): Promise<ImageVersion[]> {
  const images = new Map<string, ImageVersion>();
  for (const text of given) {
    const { name, version } = imageReference(text);
    const versions = version === undefined ? await store.versions(name) : [version];
    // Never by an alias: who means the version says it.
    if (versions.length === 0) throw noVersions(name, await store.aliasOf(name));
    for (const one of versions) images.set(`${name}:${one}`, { name, version: one });
  }
  return [...images.values()];
}

function noVersions(name: string, alias: ImageVersion | undefined): Fault {
  return new Fault("IMAGE_MISSING", {
    what: `There is no image "${name}".`,
    why: alias === undefined ? "The store has none of this name." : `It is an alias of ${alias.name}:${alias.version}.`,
    fix: alias === undefined ? 'See "bootcast image list".' : "Name the version itself.",
  });
}
