import { createWriteStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isatty } from "node:tty";
import { Command } from "commander";
import { Fault } from "../../fault.ts";
import { rangesWithin } from "../../images/foreign-image.ts";
import { hereOptions, storeKeyOption } from "../settings/configuration.ts";
import { wholeNumber } from "../settings/option-values.ts";
import { interruption } from "../terminal/interruption.ts";
import { examples, globalOptions } from "../terminal/output.ts";
import { type ImageDisk, openImageDisk } from "./disk.ts";
import { type PassphraseFlags, passphraseOptions } from "./passphrase.ts";

type CatFlags = PassphraseFlags & { readonly offset: number; readonly length?: number };

const STDOUT = 1;
const PIECE_BYTES = 1 << 20;
const zeros = Buffer.alloc(PIECE_BYTES);
/** Pieces that are read before they can be written. */
const PIECES_AHEAD = 4;

/** `bootcast image cat`: the bytes of a disk on stdout. */
export function imageCatCommand(): Command {
  const bytes = wholeNumber(0, Number.MAX_SAFE_INTEGER);
  const command = new Command("cat")
    .description(
      "Writes the raw bytes of a disk to stdout: of an image of the store, or of any disk image file. What was not kept reads as zeros.",
    )
    .argument("<image>", "name, or name:version, or a file")
    .option("--offset <bytes>", "begin here", bytes, 0)
    .option("--length <bytes>", "so many; without it, to the end of the disk", bytes);
  examples(command, [
    "bootcast image cat lab-debian | ssh host 'cat > /dev/sdb'",
    "bootcast image cat tiger.dmg --offset 32768 --length 512 | xxd",
    "bootcast image cat lab-debian:2 | sha256sum",
  ]);
  return globalOptions(hereOptions(storeKeyOption(passphraseOptions(command)))).action(
    async (image: string, flags: CatFlags) => {
      if (isatty(STDOUT)) throw terminal();
      const { signal, dispose } = interruption("The disk was not written to its end.");
      const disk = await openImageDisk(command, image, flags, signal);
      try {
        const { sizeBytes } = disk.source;
        const { offset, length = Math.max(0, sizeBytes - offset) } = flags;
        if (offset + length > sizeBytes) throw outside(disk.title, sizeBytes);
        const pieces = Readable.from(piecesOf(disk, offset, offset + length), { highWaterMark: PIECES_AHEAD });
        await pipeline(pieces, standardOutput(), { signal }).catch((error: NodeJS.ErrnoException) => {
          // The reader has what it wanted, as `head` does.
          if (error.code !== "EPIPE") throw signal.aborted ? signal.reason : error;
        });
      } finally {
        dispose();
        await disk.close();
      }
    },
  );
}

/** What is known to read as zeros is not read. */
async function* piecesOf({ source, ranges }: ImageDisk, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (const { startBytes, endBytes, state } of rangesWithin(ranges?.() ?? [], start, end)) {
    for (let at = startBytes; at < endBytes; ) {
      // Pieces end where those of the disk do: its chunks and packs are mostly as long.
      const length = Math.min(PIECE_BYTES - (at % PIECE_BYTES), endBytes - at);
      yield state === "data" ? source.read(at, length) : zeros.subarray(0, length);
      at += length;
    }
  }
}

/** Not `process.stdout`: on a pipe that nobody reads it stops the whole process, and no signal ends it then. */
function standardOutput(): Writable {
  const kind = fstatSync(STDOUT);
  return kind.isFIFO() || kind.isSocket()
    ? new Socket({ fd: STDOUT, readable: false, writable: true })
    : createWriteStream("", { fd: STDOUT });
}

function terminal(): Fault {
  return new Fault("USAGE", {
    what: "The disk was not written to the terminal.",
    why: "Its bytes are not text, and would confuse the terminal.",
    fix: 'Send them somewhere: "… > disk.raw", or into a program with "|".',
  });
}

function outside(title: string, sizeBytes: number): Fault {
  return new Fault("USAGE", {
    what: "There is less on the disk than was asked for.",
    why: `${title} has ${sizeBytes} bytes.`,
    fix: "Give a smaller --offset or --length.",
  });
}
