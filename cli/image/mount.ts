import { mkdtemp, rm } from "node:fs/promises";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { type NbdPlace, serveNbd } from "../../server/images/nbd-server.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions, printResult, say } from "../terminal/output.ts";
import { type ImageDisk, openImageDisk } from "./disk.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";

type MountFlags = PassphraseFlags & { readonly listen?: NbdPlace };

/** Said at most so often: a program that reads a damaged place tries it many times. */
const MOST_PROBLEMS = 20;

/** `bootcast image mount`: an image as a disk that other programs read. */
export function imageMountCommand(): Command {
  const command = new Command("mount")
    .description(
      "Shows an image as a read-only disk, by the Network Block Device protocol, until Ctrl-C. Nothing is unpacked or copied.\n\n" +
        "It prints the commands that connect to it. There is no password: the socket is for you alone, a port for whoever reaches it.",
    )
    .argument("<image>", "name, or name:version, or a file")
    .option(
      "--listen <place>",
      "path of a UNIX socket, a port of 127.0.0.1, or ADDRESS:PORT; without it, a socket of its own",
      parsePlace,
    );
  examples(command, [
    "bootcast image mount lab-debian",
    "bootcast image mount tiger.dmg --listen /run/tiger.socket",
    "bootcast image mount lab-debian:2 --listen 10809",
  ]);
  return globalOptions(hereOptions(storeKeyOption(passphraseOptions(command)))).action(
    async (image: string, flags: MountFlags) => {
      const { signal, dispose } = interruption();
      const disk = await openImageDisk(command, image, flags, signal);
      const folder = flags.listen === undefined ? await mkdtemp(join(tmpdir(), "bootcast-mount-")) : undefined;
      try {
        const server = await serveNbd({
          source: disk.source,
          name: disk.title,
          place: flags.listen ?? { path: join(folder!, "disk") },
          onProblem: problemTeller(),
          onClients: (count) => say(count === 1 ? "1 connection" : `${count} connections`),
        });
        try {
          printMount(disk, server.place);
          await untilAborted(signal);
        } finally {
          await server.close();
        }
      } finally {
        dispose();
        if (folder !== undefined) await rm(folder, { recursive: true });
        await disk.close();
      }
    },
  );
}

function printMount({ title: image, kind, source }: ImageDisk, place: NbdPlace): void {
  const diskBytes = source.sizeBytes;
  const mount = `sudo mount -o ro /dev/nbd0${kind === "disk" ? "p1" : ""} /mnt`;
  const uri = uriOf(place);
  const server = "path" in place ? `-unix ${quoted(place.path)}` : `${place.host} ${place.port}`;
  printResult({ image, kind, diskBytes, uri, ...place }, () =>
    [
      `${image} is a read-only disk of ${formatSize(diskBytes)} until Ctrl-C.`,
      `  as a device  sudo modprobe nbd && sudo nbd-client ${server} /dev/nbd0`,
      `               ${mount}   # later: sudo umount /mnt && sudo nbd-client -d /dev/nbd0`,
      `  as a file    qemu-img convert -O raw ${quoted(uri)} disk.raw`,
      `  to look at   qemu-img info ${quoted(uri)}`,
    ].join("\n"),
  );
}

/** As in doc/uri.md of NetworkBlockDevice/nbd. */
function uriOf(place: NbdPlace): string {
  if ("path" in place) return `nbd+unix:///?socket=${encodeURI(place.path).replaceAll(/[?&#+]/g, encodeURIComponent)}`;
  return `nbd://${isIP(place.host) === 6 ? `[${place.host}]` : place.host}:${place.port}`;
}

function quoted(word: string): string {
  return /^[\w/.:@%-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** @throws {InvalidArgumentError} */
function parsePlace(text: string): NbdPlace {
  const [, host = "127.0.0.1", portText] = /^(?:\[?([\d.]+|[\da-f:]+)\]?:)?(\d{1,5})$/i.exec(text) ?? [];
  if (portText === undefined) return { path: resolve(text) };
  const port = Number(portText);
  if (port > 65_535 || isIP(host) === 0)
    throw new InvalidArgumentError("Write a path with a slash, a port up to 65535, or ADDRESS:PORT.");
  return { host, port };
}

function problemTeller(): (problem: unknown) => void {
  let told = 0;
  return (problem) => {
    told += 1;
    if (told > MOST_PROBLEMS) return;
    const text =
      problem instanceof Fault ? `${problem.what} ${problem.why} [${problem.code}]` : (problem as Error).message;
    say(`warning: ${text}${told === MOST_PROBLEMS ? " (more are not shown)" : ""}`);
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
