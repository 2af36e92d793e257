import { join } from "node:path";
import { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { StoreKeyFile } from "../../server/store/key-file.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { changeSeal } from "../../server/store/seal.ts";
import { type PackForm, readSealState } from "../../server/store/seal-state.ts";
import { type ImageStore, openStore } from "../../server/store/store.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { confirm, examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { storeKeyFile } from "./store.ts";

/** `bootcast image keys seal`: from now on nobody reads the store without its key. */
export function sealCommand(): Command {
  const command = new Command("seal").description(
    "Encrypts the packs of the store (AES-256-GCM), those that are there and those that come. The key is in a file that is not in the store; it is made when there is none. " +
      "The same command again goes on where it was interrupted; other commands and the server work meanwhile, when they have the key.\n\n" +
      "Names, sizes and digests of images stay readable. What lay on the disk before stays in its free space until that is written over: run fstrim on it, or begin with a new disk.",
  );
  examples(command, [
    "sudo bootcast image keys seal --store-key /mnt/usb/store.key",
    'sudo bootcast image keys seal        # images.store_key = "/mnt/usb/store.key" in /etc/bootcast.toml',
  ]);
  return globalOptions(hereOptions(storeKeyOption(command))).action(async () => {
    const keys = requiredKeys(command);
    const isMade = await makeFirstKey(command, keys);
    const store = await openSealed(command, keys);
    await store.sealer.require("read");
    const { target } = await readSealState(store.directory);
    const wanted = target === "plain" ? (await keys.keys())[0]!.id : target;
    const result = await changed(store, wanted, "sealing");
    printResult({ sealedWith: wanted, keyFile: keys.path, isKeyMade: isMade, ...result }, () =>
      [sealedText(wanted, keys, result), ...(isMade ? [keepCopy(keys)] : []), ...setLastingly(command, keys)].join(
        "\n",
      ),
    );
  });
}

/** `bootcast image keys reseal`: another key. */
export function resealCommand(): Command {
  const command = new Command("reseal").description(
    "Makes a new key for a sealed store and seals every pack with it. The same command again goes on where it was interrupted.\n\n" +
      "The key before stays in the key file, below the new one: copies of the store that were made earlier need it.",
  );
  examples(command, ["sudo bootcast image keys reseal --store-key /mnt/usb/store.key"]);
  return globalOptions(hereOptions(storeKeyOption(command))).action(async () => {
    const keys = requiredKeys(command);
    const store = await openSealed(command, keys);
    const { target, former } = await readSealState(store.directory);
    if (target === "plain") throw notSealed(store.directory);
    await store.sealer.require("read");
    // Interrupted before: part of the packs have the newest key.
    const next = former.length > 0 ? (await keys.keys())[0]!.id : (await keys.addKeyAfter(target)).id;
    const result = await changed(store, next, "sealing");
    printResult({ sealedWith: next, keyFile: keys.path, ...result }, () =>
      [
        sealedText(next, keys, result),
        "The keys before stay in that file for older copies of the store. Copy the file anew to where you keep it.",
      ].join("\n"),
    );
  });
}

/** `bootcast image keys unseal`: plain packs again. */
export function unsealCommand(): Command {
  const command = new Command("unseal")
    .description(
      "Decrypts the packs of the store: whoever reads its disk can read the images then. The same command again goes on where it was interrupted.",
    )
    .option("--confirm <word>", 'the word "unseal", to say that you are sure (asked for on a terminal)');
  examples(command, ["sudo bootcast image keys unseal --store-key /mnt/usb/store.key --confirm unseal"]);
  return globalOptions(hereOptions(storeKeyOption(command))).action(async (flags: { readonly confirm?: string }) => {
    const keys = requiredKeys(command);
    await confirm("unseal", flags.confirm, {
      does: "makes the images of the store readable without a key",
      verb: "unseal",
    });
    const store = await openSealed(command, keys);
    const result = await changed(store, "plain", "opening");
    printResult({ sealedWith: null, ...result }, () =>
      [
        `The packs of the store are plain${countText(result)}.`,
        ...(isSetLastingly(command)
          ? ["Now take images.store_key out of the configuration, and restart the server."]
          : []),
      ].join("\n"),
    );
  });
}

/** How the store is sealed, for `bootcast image keys show`. */
export async function sealOfStore(command: Command) {
  const { dataDir, values } = configOf(command);
  const { target, former } = await readSealState(join(dataDir, "store"));
  const keyFile = values["images.store_key"];
  const shown = (form: PackForm) => (form === "plain" ? null : form);
  return { sealedWith: shown(target), stillSealedWith: former.map(shown), keyFile: keyFile ?? null };
}

export function sealText({ sealedWith, stillSealedWith, keyFile }: Awaited<ReturnType<typeof sealOfStore>>): string {
  if (stillSealedWith.length > 0) {
    const verb = sealedWith === null ? "unseal" : "seal";
    return `Not all packs of the store are ${verb}ed yet: "bootcast image keys ${verb}" goes on with it`;
  }
  if (sealedWith === null) return "The store is not sealed";
  return `${sealedWith}  seals the store${keyFile === null ? "" : `, in ${keyFile}`}`;
}

function requiredKeys(command: Command): StoreKeyFile {
  const { dataDir, values } = configOf(command);
  const keys = storeKeyFile(dataDir, values["images.store_key"]);
  if (keys !== undefined) return keys;
  throw new Fault("USAGE", {
    what: "It is not said where the key of the store is. Nothing was done.",
    why: "Neither --store-key nor images.store_key names a file.",
    fix: "Add --store-key FILE; the file lies better on another disk than the store.",
  });
}

async function openSealed(command: Command, keys: StoreKeyFile): Promise<ImageStore> {
  const { dataDir } = configOf(command);
  const { trusted } = await loadSiteKey(dataDir);
  return openStore(join(dataDir, "store"), trusted, { keys });
}

/** Only of a store that never was sealed: no new key can open what an old one has sealed. */
async function makeFirstKey(command: Command, keys: StoreKeyFile): Promise<boolean> {
  const { target, former } = await readSealState(join(configOf(command).dataDir, "store"));
  if ([target, ...former].some((form) => form !== "plain") || (await keys.keys()).length > 0) return false;
  await keys.make();
  return true;
}

async function changed(store: ImageStore, target: PackForm, doing: string) {
  const progress = progressLine(doing);
  const { changedPacks, samePacks, badPacks } = await changeSeal(store, target, {
    onProgress: (done, total) => progress.update(done, total),
    signal: interruption("It was interrupted. The same command goes on with it; the store can be used meanwhile.")
      .signal,
  }).finally(() => progress.end());
  for (const { digest, fault } of badPacks.slice(0, SHOWN)) say(`pack ${digest} [${fault.code}]: ${fault.why}`);
  if (badPacks.length > SHOWN) say(`… and ${badPacks.length - SHOWN} more packs`);
  if (badPacks.length > 0) throw incomplete(badPacks.length);
  return { changedPacks, samePacks };
}

const SHOWN = 20;

type Changed = Awaited<ReturnType<typeof changed>>;

function sealedText(id: string, keys: StoreKeyFile, result: Changed): string {
  return `The packs of the store are sealed with the key ${id} in ${keys.path}${countText(result)}.`;
}

function countText({ changedPacks, samePacks }: Changed): string {
  if (changedPacks + samePacks === 0) return "; there are none yet";
  return samePacks === 0 ? `: ${changedPacks} changed` : `: ${changedPacks} changed, ${samePacks} were so already`;
}

function keepCopy({ path }: StoreKeyFile): string {
  return `The key was made just now. Keep a copy of ${path} in a safe place: without it nobody can read these images again.`;
}

/** Whether the key is set for the server, too. */
function isSetLastingly(command: Command): boolean {
  const origin = configOf(command).origins["images.store_key"];
  return origin !== "default" && origin !== "--store-key";
}

function setLastingly(command: Command, { path }: StoreKeyFile): string[] {
  if (isSetLastingly(command)) return [];
  return [
    `Now set images.store_key = "${path}" in the configuration, and restart the server: it cannot read the store without.`,
  ];
}

function notSealed(directory: string): Fault {
  return new Fault("STORE_NOT_SEALED", {
    what: `The image store ${directory} has no key that could be changed.`,
    why: "It is not sealed.",
    fix: 'Seal it with "bootcast image keys seal".',
  });
}

function incomplete(count: number): Fault {
  return new Fault("SEAL_INCOMPLETE", {
    what: `All packs of the store were changed but ${count}.`,
    why: "These are damaged or cannot be read, and stay as they are: they may be all that is left of an image.",
    fix: 'See which images need them with "bootcast image verify", repair them with --from COPY or remove those images and sweep; then give this command again.',
  });
}
