import { hostname } from "node:os";
import { Command } from "commander";
import { type Logger, pino } from "pino";
import { resolveLocal } from "../agent/mdns-name.ts";
import { StreamControl } from "../agent/stream/control.ts";
import { describeStream } from "../agent/stream/describe.ts";
import { PackWriter } from "../agent/stream/pack-writer.ts";
import { receiveStream } from "../agent/stream/receive.ts";
import type { Manifest } from "../images/manifest.ts";
import { keyFingerprint } from "../images/signature.ts";
import { differingCells } from "../images/verify.ts";
import { ImageThreads } from "../server/images/image-threads.ts";
import { unpackPacks } from "../server/images/unpack-packs.ts";
import { type AsrUrl, parseAsrUrl, pickStream } from "./asr-url.ts";
import { storeKeyOption } from "./configuration.ts";
import { interfaceAddress } from "./interface-address.ts";
import { interruption } from "./interruption.ts";
import { duration } from "./option-values.ts";
import { asFault, Exit, examples, exitOf, fail, globalOptions, outputOptions, print } from "./output.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";
import { dataDirOf } from "./read-configuration.ts";
import { restoreTarget } from "./restore-file.ts";
import { askToErase } from "./restore-question.ts";
import { eraseMissing, isRefusal, refuseSource } from "./restore-refusals.ts";
import { RestoreOutput } from "./restore-screen.ts";
import { acceptServer, sameStream, signerOfStream, streamsOf } from "./restore-stream.ts";
import { checkTarget, type RestoreTarget } from "./restore-target.ts";
import { differs, type TargetState, withTargetState } from "./restore-target-state.ts";
import { openImageSource } from "./stream-source.ts";
import { trustedKeys } from "./trust.ts";

/** A week: timers of Node cannot be longer than 24 days. */
const MOST_TIMEOUT_MS = 7 * 86_400_000;
/** How long a server that does not answer yet is asked again. */
const SERVER_PATIENCE_MS = 20_000;

type RestoreFlags = PassphraseFlags & {
  readonly source: string;
  readonly target: string;
  readonly erase?: boolean;
  readonly prompt: boolean;
  readonly verify: boolean;
  readonly noprompt?: boolean;
  readonly noverify?: boolean;
  readonly puppetstrings?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly interface?: string;
  readonly trust?: string;
  readonly dataDir: string;
  readonly storeKey?: string;
};

type GivenFlags = Omit<RestoreFlags, "dataDir" | "target"> & {
  readonly dataDir?: string;
  readonly target?: string;
  readonly file?: string;
};

/** `bootcast restore`: writes one image to a disk or a file, as `asr restore` did. */
export function restoreCommand(): Command {
  const command = new Command("restore")
    .description(
      "Writes an image to a whole disk or to a raw image file, and reads it back.\n\n" +
        "Images are accepted when a trusted key signed them: one of --trust, or the site's own key in the data directory. " +
        "Where there is neither, the key of the server that is named by --source is taken, and its fingerprint is shown.",
    )
    .requiredOption(
      "--source <source>",
      "asr://HOST[:PORT][/IMAGE] of a running stream, an image of the store, or a disk image file",
    )
    .option("--target <disk|file>", "a whole disk, /dev/sdb, or a file that is made or replaced")
    .option("--file <file>", "instead of --target: save it as a new raw disk image; needs no --erase")
    .option("--erase", "everything on the target is lost; required with --target")
    .option("--noprompt", "do not ask before erasing")
    .option("--noverify", "do not read the target back")
    .option("--puppetstrings", "progress for programs: one event a line, fields separated by tabs")
    .option(
      "--timeout <time>",
      "give up when no data came for so long: 90s, 10m, or seconds; 0 never (default 60s)",
      duration({ mostMs: MOST_TIMEOUT_MS }),
    )
    .option("--interface <name|address>", "the network that the stream arrives at (default: where the server is)")
    .option("--trust <file>", "public keys (PEM) whose images are accepted")
    .option("--data-dir <dir>", "where the store and the site's key are (BOOTCAST_DATA_DIR)")
    .addHelpText(
      "after",
      "\n--puppetstrings prints: XSTA <phase> [detail] (start, validate, wait, erase, restore, verify, finish),\n" +
        "PINF <percent> 100 <phase>, PASS <number>, FAIL <code> <what>.",
    )
    .action(async ({ dataDir, ...flags }: GivenFlags) => {
      const write = (text: string) => void process.stdout.write(text);
      const { json, quiet } = outputOptions();
      const output = new RestoreOutput(flags.puppetstrings ? "programs" : json || quiet ? "nothing" : "people", write);
      try {
        await restore({ ...flags, ...restoreTarget(flags), dataDir: dataDirOf(dataDir) }, output);
      } catch (error) {
        const fault = asFault(error);
        output.fail(fault);
        fail(error, isRefusal(fault) ? Exit.refused : exitOf(error));
      }
    });
  examples(command, [
    "bootcast restore --source asr://10.77.0.1 --target /dev/sdb --erase",
    "bootcast restore --source asr://server.local/lab-debian --target /dev/sdb --erase --noprompt",
    "bootcast restore --source golden.raw --target copy.raw --erase --noverify",
    "bootcast restore --source asr://10.77.0.1 --file copy.raw      # a new file: nothing is erased",
    "bootcast restore --source tiger.dmg --target /dev/sdb --erase --passphrase-file passphrase.txt",
  ]);
  return globalOptions(storeKeyOption(passphraseOptions(command)));
}

async function restore(flags: RestoreFlags, output: RestoreOutput): Promise<void> {
  if (flags.erase !== true) throw eraseMissing(flags.source);
  const interrupted = interruption();
  const log = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "warn" }, pino.destination(2));
  try {
    output.start();
    const progress: TargetState = { target: "untouched" };
    const job = { flags, output, log, signal: interrupted.signal, progress };
    const url = parseAsrUrl(flags.source);
    const restored = url === undefined ? restoreLocal(job) : restoreStream(job, url);
    const { manifest, signedBy } = await restored.catch((error: unknown) => {
      throw withTargetState(error, flags.target, progress);
    });
    output.finish();
    const { tag } = manifest;
    if (outputOptions().json) {
      const isVerified = flags.noverify !== true;
      print(
        JSON.stringify({
          image: tag.name,
          imageVersion: tag.version,
          target: flags.target,
          diskBytes: manifest.diskBytes,
          isVerified,
          signedBy,
        }),
      );
    }
  } finally {
    interrupted.dispose();
  }
}

type Job = {
  readonly flags: RestoreFlags;
  readonly output: RestoreOutput;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly progress: TargetState;
};

/** What was restored, and the fingerprint of the key that signed it. */
type Restored = { readonly manifest: Manifest; readonly signedBy: string };

async function restoreStream(job: Job, given: AsrUrl): Promise<Restored> {
  const { flags, output, log, signal } = job;
  const url = { ...given, server: await resolveLocal(given.server, log) };
  const ownAddress = flags.interface === undefined ? undefined : interfaceAddress(flags.interface);
  const control = new StreamControl({ server: url.server, signal });
  try {
    const checked = await output.step("Validating target", "validate", async () => {
      await refuseSource(flags.source, flags.target, flags.dataDir);
      return checkTarget(flags.target, log);
    });
    const { streamId, trusted, described } = await output.step("Validating source", "validate", async () => {
      const patienceMs = Math.min(SERVER_PATIENCE_MS, flags.timeout || SERVER_PATIENCE_MS);
      const picked = pickStream(await streamsOf(control, url, { patienceMs, signal }), url);
      const keys = trustedKeys(flags.trust, flags.dataDir) ?? [await acceptServer(control, picked, url)];
      return { streamId: picked, trusted: keys, described: await describeStream(control, picked, keys) };
    });
    const { manifest, info } = described;
    const { manifestDigest } = info.description;
    const signedBy = await signerOfStream(control, streamId, manifestDigest, trusted);
    const target = await checked.fit(manifest);
    try {
      await askToErase(flags, output, checked.title);
      await receiveStream({
        server: url.server,
        streamId,
        trusted,
        described,
        target: target.blocks,
        name: hostname(),
        interfaceAddress: ownAddress,
        ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
        beforeWrite: async () => {
          const erased = await output.step(`Erasing target device ${flags.target}`, "erase", () =>
            target.erase(() => noteErase(job)),
          );
          // What was checked before the erase must still be so.
          await output.step("Retrieving scan information", "validate", () =>
            sameStream(control, streamId, manifestDigest),
          );
          await output.step("Validating sizes", "validate", () => checked.fit(manifest));
          return erased;
        },
        onProgress: (progress) => output.received(progress),
        onMark: (mark) => output.mark(mark),
        signal,
        log,
      });
      output.complete("restore");
      job.progress.target = "written";
      await verifyAndSettle(job, manifest, target);
    } finally {
      await target.close();
    }
    return { manifest, signedBy };
  } finally {
    await control.close();
  }
}

async function restoreLocal(job: Job): Promise<Restored> {
  const { flags, output, log, signal } = job;
  const { dataDir, storeKey } = flags;
  const checked = await output.step("Validating target", "validate", async () => {
    await refuseSource(flags.source, flags.target, dataDir);
    return checkTarget(flags.target, log);
  });
  const source = await output.step("Validating source", "validate", () =>
    openImageSource(flags.source, { dataDir, storeKey, onScan: () => undefined, passphrase: flags, signal }),
  );
  try {
    const { manifest, packs } = source;
    const target = await checked.fit(manifest);
    try {
      await askToErase(flags, output, checked.title);
      const { isZeroed } = await output.step(`Erasing target device ${flags.target}`, "erase", () =>
        target.erase(() => noteErase(job)),
      );
      await output.step("Validating sizes", "validate", () => checked.fit(manifest));
      const writer = new PackWriter(manifest, target.blocks);
      if (!isZeroed) await writer.writeZeros(signal);
      await unpackPacks(packs, manifest, (number, cells) => writer.write(number, cells), {
        onProgress: (done, total) => output.progress("restore", done / total),
        signal,
      });
      await writer.finish();
      output.complete("restore");
      job.progress.target = "written";
      await verifyAndSettle(job, manifest, target);
    } finally {
      await target.close();
    }
    return { manifest, signedBy: keyFingerprint(source.signer) };
  } finally {
    await source.close();
  }
}

async function verifyAndSettle(
  { flags, output, signal }: Job,
  manifest: Manifest,
  target: RestoreTarget,
): Promise<void> {
  if (flags.noverify !== true) {
    const source = await target.readBack();
    const threads = new ImageThreads();
    try {
      const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }) =>
        output.progress("verify", doneBytes / totalBytes);
      for await (const cell of differingCells(manifest, source, { work: threads, onProgress, signal }))
        throw differs(flags.target, cell);
    } finally {
      await threads.close();
      await source.close();
    }
    output.complete("verify");
  }
  await output.step("Remounting target volume", "finish", () => target.settle());
}

function noteErase({ progress }: Job): void {
  progress.target = "incomplete";
}
