import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { Fault } from "../../fault.ts";
import { keyFingerprint } from "../../images/signature.ts";
import {
  loadSiteKey,
  parsePublicKey,
  readSitePublicKey,
  rotateSiteKey,
  type SitePublicKey,
  trustKey,
} from "../../server/store/keys.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { configOf } from "../settings/read-configuration.ts";
import { confirm, examples, globalOptions, printResult } from "../terminal/output.ts";
import { resealCommand, sealCommand, sealOfStore, sealText, unsealCommand } from "./keys-seal.ts";

// Machines trust the keys that their boot image carries, and a server reads its key once.
const NEXT_STEPS =
  'Now build the boot image again ("bootcast boot-image build") and restart the server: machines accept a key only when their boot image carries it.';

/** `bootcast image keys …`: the keys that sign images, those that are trusted, and the one that seals the store. */
export function imageKeysCommand(): Command {
  const command = new Command("keys").description(
    "The key that signs this site's images, the keys whose images it accepts, and the key that encrypts its store.",
  );
  examples(command, [
    "bootcast image keys show",
    "bootcast image keys rotate                     # a new key; images signed before stay valid",
    "bootcast image keys trust other-site.pub",
    "bootcast image keys seal --store-key /mnt/usb/store.key     # encrypts the store",
  ]);
  return command
    .addCommand(makeCommand())
    .addCommand(showCommand())
    .addCommand(trustCommand())
    .addCommand(rotateCommand())
    .addCommand(sealCommand())
    .addCommand(resealCommand())
    .addCommand(unsealCommand());
}

function makeCommand(): Command {
  const command = new Command("make").description(
    "Makes the site's key when there is none yet. Importing an image and starting the server do the same.",
  );
  examples(command, ["sudo bootcast image keys make"]);
  return globalOptions(hereOptions(command)).action(async () => {
    const key = await loadSiteKey(configOf(command).dataDir);
    printResult(keysOf(key), () => keysText(key));
  });
}

function showCommand(): Command {
  const command = new Command("show").description(
    "Shows the keys that are trusted, by fingerprint, and whether the store is sealed; makes none.",
  );
  examples(command, ["bootcast image keys show", "bootcast image keys show --pem > site.pub     # for another site"]);
  return globalOptions(hereOptions(storeKeyOption(command)))
    .option("--pem", "the site's own public key, as other sites and restore --trust take it")
    .action(async ({ pem }: { readonly pem?: boolean }) => {
      const key = await readSitePublicKey(configOf(command).dataDir);
      const text = key.publicKey.export({ type: "spki", format: "pem" }).toString();
      const store = await sealOfStore(command);
      printResult({ ...keysOf(key), pem: text, store }, () =>
        pem === true ? text.trimEnd() : `${keysText(key)}\n${sealText(store)}`,
      );
    });
}

function trustCommand(): Command {
  const command = new Command("trust")
    .description("Accepts images that another key signed: that of another site, or one that was here before.")
    .argument("<file>", "a public key, like keys/site.pub of the other data directory");
  examples(command, ["bootcast image keys trust other-site.pub"]);
  return globalOptions(hereOptions(command)).action(async (file: string) => {
    const { dataDir } = configOf(command);
    const key = parsePublicKey(await readPem(file), file);
    await loadSiteKey(dataDir);
    await trustKey(dataDir, key);
    const fingerprint = keyFingerprint(key);
    printResult({ trusted: fingerprint }, () => `Images signed by ${fingerprint} are accepted.\n${NEXT_STEPS}`);
  });
}

function rotateCommand(): Command {
  const command = new Command("rotate")
    .description(
      "Makes a new site key. Images signed before stay trusted; machines obey this server again when the boot image was built anew.",
    )
    .option("--confirm <word>", 'the word "rotate", to say that you are sure (asked for on a terminal)');
  examples(command, ["sudo bootcast image keys rotate --confirm rotate && sudo bootcast boot-image build"]);
  return globalOptions(hereOptions(command)).action(async (flags: { readonly confirm?: string }) => {
    await confirm("rotate", flags.confirm, { does: "replaces the key that machines trust", verb: "rotate" });
    const { before, after } = await rotateSiteKey(configOf(command).dataDir);
    printResult(
      { ...keysOf(after), before: before.fingerprint },
      () =>
        `The site's key is ${after.fingerprint}.\nImages signed by ${before.fingerprint} stay trusted.\n${NEXT_STEPS}`,
    );
  });
}

function keysOf({ fingerprint, trusted }: SitePublicKey) {
  return { fingerprint, trusted: trusted.map(keyFingerprint) };
}

function keysText({ fingerprint, trusted }: SitePublicKey): string {
  const others = trusted.map(keyFingerprint).filter((other) => other !== fingerprint);
  return [`${fingerprint}  signs images here`, ...others.map((other) => `${other}  trusted`)].join("\n");
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Fault(
      "FILE_MISSING",
      { what: `${file} cannot be read.`, why: (error as Error).message, fix: "Check the path and its permissions." },
      error,
    );
  }
}
