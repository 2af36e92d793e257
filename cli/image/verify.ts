import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { StoreKeyFile } from "../../server/store/key-file.ts";
import type { SitePublicKey } from "../../server/store/keys.ts";
import { type ImageStore, readStore } from "../../server/store/store.ts";
import { storeUsage } from "../../server/store/usage.ts";
import { type CheckedImage, type HurtPack, type StoreCheck, verifyStore } from "../../server/store/verify.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, outputOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { imageReference } from "./reference.ts";
import { readImageStore } from "./store.ts";

type VerifyFlags = { readonly from?: string; readonly fromKey?: string };

/** `bootcast image verify`: checks one image, or the whole store. */
export function imageVerifyCommand(): Command {
  const command = new Command("verify")
    .description(
      "Reads packs and checks them, and the manifests, against the site's signature: those of one image, or every one of the store. It says which images a bad pack hurts.",
    )
    .argument("[image]", "name, or name:version; all images and packs when none is named")
    .option("--from <dir>", "a copy of the store or of its data directory: what is bad here is taken from there")
    .option("--from-key <file>", "the key file of that copy, when it is another one than this store's");
  examples(command, [
    "bootcast image verify lab-debian",
    "bootcast image verify                         # the whole store",
    "bootcast image verify --from /mnt/backup/store",
    "bootcast image verify lab-debian:2 --json",
  ]);
  return globalOptions(hereOptions(storeKeyOption(command))).action(
    async (image: string | undefined, flags: VerifyFlags) => {
      const { store, siteKey } = await readImageStore(command, "packs");
      const from = flags.from === undefined ? undefined : await readCopy(flags.from, flags.fromKey, store, siteKey);
      const one = image === undefined ? undefined : await versionOf(store, image);
      const totalBytes = (await storeUsage(store)).images
        .filter(({ tag }) => one === undefined || (tag.name === one.name && tag.version === one.version))
        .reduce((sum, { storedBytes }) => sum + storedBytes, 0);
      const progress = progressLine("verifying");
      const check = await verifyStore(store, {
        now: Date.now(),
        ...(one && { images: [one] }),
        ...(from && { from }),
        onProgress: (doneBytes) => progress.update(doneBytes, totalBytes),
        signal: interruption("The check was interrupted.").signal,
      }).finally(() => progress.end());
      for (const line of reportOf(check)) say(line);
      const only = one === undefined ? undefined : check.images[0];
      if (only?.fault !== undefined) throw only.fault;
      const { hurt } = check;
      const signedBy = siteKey.fingerprint;
      const refusal = refusalOf(check, only);
      // Programs want to know which packs and images, also when that is an error.
      if (refusal !== undefined && !outputOptions().json) throw refusal;
      if (only === undefined) {
        printResult({ ...check, signedBy }, () => {
          const { images, packs } = check;
          return `The store is sound: ${images.length} image versions, ${packs} packs, signatures checked`;
        });
      } else {
        const { name, version, packs, storedBytes } = only;
        printResult(
          { name, version, packs, storedBytes, hurt, signedBy },
          () => `${name}:${version} is sound: ${packs} packs, ${formatSize(storedBytes)}, signature checked`,
        );
      }
      if (refusal !== undefined) throw refusal;
    },
  );
}

/** Another copy of a store. One that is sealed has the same keys, unless others are named. */
async function readCopy(
  path: string,
  keyPath: string | undefined,
  { sealer }: ImageStore,
  { trusted }: SitePublicKey,
): Promise<ImageStore> {
  const directory = storeIn(path);
  const keys = keyPath === undefined ? sealer.keys : new StoreKeyFile(keyPath, directory);
  const copy = readStore(directory, trusted, { keys });
  await copy.sealer.require("read");
  return copy;
}

async function versionOf(store: ImageStore, text: string) {
  const { name, version } = imageReference(text);
  if (version !== undefined) return { name, version };
  const newest = (await store.versions(name)).at(-1);
  // An image that is not there is told by the reader.
  return newest === undefined ? (await store.readManifest(name)).manifest.tag : { name, version: newest };
}

/** @throws {Fault} STORE_MISSING */
function storeIn(path: string): string {
  const directory = resolve(path);
  for (const candidate of [join(directory, "store"), directory]) {
    if (existsSync(join(candidate, "packs"))) return candidate;
  }
  throw new Fault("STORE_MISSING", {
    what: `There is no image store in ${directory}.`,
    why: "It has no packs directory, and neither has a directory store in it.",
    fix: "Give a copy of the data directory, or of the directory store in it.",
  });
}

const SHOWN = 20;

function reportOf({ images, hurt, otherwiseSealed, unkept }: StoreCheck): string[] {
  const lines: string[] = [];
  for (const { name, version, fault, isManifestRepaired } of images) {
    if (fault !== undefined) lines.push(`${name}:${version}: ${fault.what} [${fault.code}]`);
    if (isManifestRepaired) lines.push(`${name}:${version}: its manifest was taken from the other store`);
  }
  for (const { digest, fault, images: hurtImages, isRepaired } of hurt.slice(0, SHOWN)) {
    const whose = hurtImages.length === 0 ? "no image needs it" : `hurts ${hurtImages.join(", ")}`;
    lines.push(`pack ${digest.slice(0, 16)}… [${fault.code}]: ${whose}${isRepaired ? "; repaired" : ""}`);
  }
  if (hurt.length > SHOWN) lines.push(`… and ${hurt.length - SHOWN} more packs`);
  if (otherwiseSealed > 0) {
    const how = 'see "bootcast image keys show"; "image keys seal" or "unseal" goes on with them';
    lines.push(`warning: ${otherwiseSealed} packs are not sealed as the store is: ${how}`);
  }
  if (unkept !== undefined) lines.push(`warning: the result could not be kept for "image list": ${unkept}`);
  return lines;
}

function refusalOf({ images, hurt }: StoreCheck, only: CheckedImage | undefined): Fault | undefined {
  const open = hurt.filter(({ isRepaired, images: needed }: HurtPack) => !isRepaired && needed.length > 0);
  const unsigned = images.filter(({ fault }) => fault !== undefined);
  if (open.length === 0 && unsigned.length === 0) return undefined;
  const names = [
    ...new Set([...open.flatMap((pack) => pack.images), ...unsigned.map((i) => `${i.name}:${i.version}`)]),
  ];
  return new Fault("IMAGE_DAMAGED", {
    what: only
      ? `${only.name}:${only.version} cannot be restored as it is.`
      : `${names.length} image versions cannot be restored as they are: ${names.slice(0, SHOWN).join(", ")}.`,
    why: `${open.length} of ${only?.packs ?? "the store's"} packs are missing or damaged, and ${unsigned.length} manifests.`,
    fix: "Repair it from another copy with --from DIR, or import the same disk image again: damaged packs are then written anew. Check the disk of the store, too.",
  });
}
