import { randomInt, randomUUID } from "node:crypto";
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { type Logger, pino } from "pino";
import { contentText, type Disk } from "../../agent/contract.ts";
import { describeDisk } from "../../agent/disk/choice.ts";
import { shortDiskName } from "../../agent/disk/content.ts";
import { readDisks } from "../../agent/disk/disks.ts";
import { examineDisks } from "../../agent/disk/examine-disks.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import { enrolmentToken } from "../../agent/machine/kernel-arguments.ts";
import { thisMachine } from "../../agent/machine/machine-files.ts";
import { tools } from "../../agent/machine/tools.ts";
import { Fault } from "../../fault.ts";
import { readBootImages } from "../../scripts/boot-image/description.ts";
import { bootFiles } from "../../scripts/boot-image/stick/files.ts";
import { biosLoader, uefiLoadersOf } from "../../scripts/boot-image/stick/loaders.ts";
import { IMAGES_FOLDER } from "../../scripts/boot-image/stick/menu.ts";
import { planStick, type StickFile, stickBytesFor } from "../../scripts/boot-image/stick/plan.ts";
import { verifyStick, writeStick } from "../../scripts/boot-image/stick/write.ts";
import { packedFiles } from "../../server/images/packed-image.ts";
import { imageReference } from "../image/reference.ts";
import { readImageStore } from "../image/store.ts";
import { isRefusal, refuseFixedDisk } from "../restore/refusals.ts";
import { checkTarget, type RestoreTarget } from "../restore/target.ts";
import { type TargetState, withTargetState } from "../restore/target-state.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { byteSize } from "../settings/option-values.ts";
import { configOf } from "../settings/read-configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { asFault, confirm, Exit, examples, exitOf, fail, globalOptions, printResult, say } from "../terminal/output.ts";
import { progressLine } from "../terminal/progress.ts";
import { VERSION } from "../version.ts";
import { cacheDirectory } from "./cache-directory.ts";

type UsbFlags = {
  readonly out: string;
  readonly image: readonly string[];
  readonly arguments: string;
  readonly enrolFile?: string;
  readonly size?: number;
  readonly confirm?: string;
  readonly fixedDisk?: string;
  readonly force?: boolean;
  readonly noverify?: boolean;
  readonly output?: string;
};

/** `boot-image usb`: a stick that starts machines which cannot boot from the network, for a restore by hand. */
export function bootImageUsbCommand(): Command {
  const command = new Command("usb").description(
    "Makes a USB stick that starts PCs with BIOS or UEFI (Secure Boot, too) from the boot image. A person at the machine " +
      'then chooses an image and a disk, as with "bootcast agent --local"; or the machine waits for an order as over the network.\n\n' +
      "All of the stick is erased. Of a device the path must be typed; one that is in use or not removable is refused. " +
      "Images of the store that go onto the stick lie there unencrypted.",
  );
  examples(command, [
    "sudo bootcast boot-image usb --out /dev/sdb                       # asks before it erases",
    "sudo bootcast boot-image usb --out /dev/sdb --image lab-debian    # with an image on it: needs no network",
    "bootcast boot-image usb --out stick.img                           # a file, for dd or a virtual machine",
  ]);
  return globalOptions(hereOptions(storeKeyOption(command)))
    .requiredOption("--out <device|file>", "the stick, /dev/sdb, or a file that is made")
    .option("--image <name>", "an image of the store to put on it (several times: several)", collect, [])
    .option(
      "--arguments <words>",
      'more words for the kernel, like "console=ttyS0" or "ip=10.0.0.9::10.0.0.1:255.255.255.0"',
      "",
    )
    .option(
      "--enrol-file <file>",
      'the enrolment token ("bootcast host enrolment show"): machines that wait for an order are approved by it',
    )
    .option("--size <size>", "of a file: how large it becomes (default: as large as it must be)", byteSize)
    .option("--confirm <path>", "the device's path again, instead of typing it")
    .option("--fixed-disk <serial>", "it is not removable: its serial number says that it is meant")
    .option("--force", "replace a file that is there")
    .option("--noverify", "do not read the stick back")
    .option("--output <dir>", "where the boot image is (default: boot/ in the data directory)")
    .action(async (flags: UsbFlags) => {
      const result = await makeStick(command, flags).catch((error: unknown) =>
        fail(error, isRefusal(asFault(error)) ? Exit.refused : exitOf(error)),
      );
      printResult(result, ({ out, sizeBytes, images }) =>
        [
          `${out}: ${formatSize(sizeBytes)}${images.length > 0 ? `, with ${images.join(", ")}` : ""}`,
          "Start a machine from it (the firmware's boot menu: F12, F9, F11 or Esc; on a Mac the Option key).",
        ].join("\n"),
      );
    });
}

async function makeStick(command: Command, flags: UsbFlags) {
  const { dataDir, values } = configOf(command);
  const log: Logger = pino({ level: process.env["BOOTCAST_DEBUG"] ? "debug" : "silent" }, pino.destination(2));
  // Everything that can be refused is, before anything is downloaded or asked.
  const enrolment = flags.enrolFile === undefined ? undefined : readEnrolmentToken(flags.enrolFile);
  if (enrolment === undefined && values["hosts.approve"] === "token")
    say("Machines that wait for an order from this stick are approved by hand: it has no token (--enrol-file).");
  const isDevice = statSync(flags.out, { throwIfNoEntry: false })?.isBlockDevice() === true;
  if (isDevice) refuseFixedDisk(flags.out, diskAt(flags.out), flags.fixedDisk);
  else refuseFile(flags);
  const checked = await checkTarget(flags.out, log);
  const images = await readBootImages(resolve(flags.output ?? join(dataDir, "boot")));
  for (const { directory, bootcast } of images)
    if (bootcast !== VERSION) say(`The boot image in ${directory} is of bootcast ${bootcast}; this is ${VERSION}.`);
  const options = { cacheDir: cacheDirectory(), say };
  const boots = await Promise.all(
    images.map(async ({ architecture, directory }) => {
      return { architecture, directory, loaders: await uefiLoadersOf(architecture, options) };
    }),
  );
  const isForPcs = images.some(({ architecture }) => architecture === "amd64");
  const bios = isForPcs ? await biosLoader(options) : undefined;
  if (isForPcs && bios === undefined)
    say("Machines with BIOS do not start from it: only a PC can make the loader for them.");
  const files = await bootFiles(boots, { version: VERSION, kernelArguments: flags.arguments.trim(), enrolment });
  const stored = await imageFiles(command, flags.image);
  files.push(...stored.files);
  // Without images, too, there is a folder to copy some into.
  if (stored.files.length === 0) files.push(noImages());
  const neededBytes = flags.size ?? stickBytesFor(files);
  const target = await checked.fit({ diskBytes: neededBytes, dataBytes: neededBytes, sectorBytes: 512 });
  const plan = planStick(target.blocks.sizeBytes, files, bios, {
    diskGuid: randomUUID().toUpperCase(),
    biosGuid: randomUUID().toUpperCase(),
    espGuid: randomUUID().toUpperCase(),
    volumeId: randomInt(2 ** 32),
    createdAt: new Date(),
  });
  if (isDevice) {
    say(`${await describe(flags.out, log)}\nwill be ERASED and become a boot stick.`);
    await confirm(flags.out, flags.confirm, { does: `erases ${flags.out}`, verb: "erase it" });
  }
  await fill(target, plan, flags);
  return {
    out: flags.out,
    sizeBytes: target.blocks.sizeBytes,
    images: stored.names,
    boots: images.map((one) => one.architecture),
  };
}

async function fill(target: RestoreTarget, plan: ReturnType<typeof planStick>, flags: UsbFlags): Promise<void> {
  const interrupted = interruption();
  const { signal } = interrupted;
  const state: TargetState = { target: "untouched" };
  const progress = progressLine("writing");
  try {
    await target.erase(() => {
      state.target = "incomplete";
    });
    const onProgress = (done: number, total: number) => progress.update(done, total);
    const digests = await writeStick(target.blocks, plan, { onProgress, signal });
    state.target = "written";
    progress.end();
    if (flags.noverify !== true) {
      const reading = progressLine("reading back");
      const source = await target.readBack();
      try {
        const onRead = (done: number, total: number) => reading.update(done, total);
        await verifyStick(source, plan, digests, { onProgress: onRead, signal });
      } finally {
        reading.end();
        await source.close();
      }
    }
    await target.settle();
  } catch (error) {
    throw withTargetState(error, flags.out, state);
  } finally {
    progress.end();
    interrupted.dispose();
    await target.close();
  }
}

/** @throws {Fault} ENROLMENT_FILE */
function readEnrolmentToken(path: string): string {
  const fault = (why: string, cause?: unknown) =>
    new Fault(
      "ENROLMENT_FILE",
      {
        what: `${path} holds no enrolment token.`,
        why,
        fix: `Write one into it: bootcast host enrolment show > ${path}`,
      },
      cause,
    );
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fault(error instanceof Error ? error.message : String(error), error);
  }
  const token = enrolmentToken(text);
  if (token === undefined)
    throw fault("A token has letters, digits, hyphens and underscores only, and nothing is around it.");
  return token;
}

/** @throws {Fault} FILE_EXISTS */
function refuseFile({ out, force }: UsbFlags): void {
  if (force === true || lstatSync(out, { throwIfNoEntry: false })?.isFile() !== true) return;
  throw new Fault("FILE_EXISTS", {
    what: `${out} was not written, because it exists.`,
    why: "What is there would be lost.",
    fix: "Give another name, or add --force when it may be replaced.",
  });
}

function diskAt(path: string): Disk | undefined {
  const real = realpathSync(path);
  return readDisks(thisMachine).find((disk) => disk.path === real);
}

async function describe(path: string, log: Logger): Promise<string> {
  const found = diskAt(path);
  const [disk] = found === undefined ? [] : await examineDisks([found], { files: thisMachine, tools, log });
  if (disk === undefined) return path;
  return `${describeDisk(disk)}\nholds ${contentText(disk).slice(shortDiskName(disk).length + 2)}`;
}

async function imageFiles(
  command: Command,
  names: readonly string[],
): Promise<{ readonly names: string[]; readonly files: StickFile[] }> {
  if (names.length === 0) return { names: [], files: [] };
  const { store } = await readImageStore(command, "packs");
  const files: StickFile[] = [];
  const found: string[] = [];
  for (const text of names) {
    const { name, version } = imageReference(text);
    const image = await store.readManifest(name, version);
    const { tag } = image.manifest;
    found.push(`${tag.name}:${tag.version}`);
    const folder = `${IMAGES_FOLDER}/${tag.name}-${tag.version}.bootcast`;
    for (const file of packedFiles(image, store)) files.push({ ...file, path: `${folder}/${file.name}` });
  }
  return { names: found, files };
}

function noImages(): StickFile {
  const text = Buffer.from("Copy disk images into this folder.\r\n");
  return {
    path: `${IMAGES_FOLDER}/README.TXT`,
    sizeBytes: text.length,
    async *content() {
      yield text;
    },
  };
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
