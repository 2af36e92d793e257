import { stat } from "node:fs/promises";
import { type FileSource, openAnyFile } from "./file-source.ts";

/**
 * Opens a file, and when it is the first piece of several ("….aa", as `split`
 * and Clonezilla name them) all of them as one.
 *
 * @throws {Fault} those of `openAnyFile`
 */
export async function openWholeFile(path: string): Promise<FileSource & { readonly pieces: number }> {
  const paths = [path];
  if (path.endsWith(".aa")) for await (const next of furtherPieces(path)) paths.push(next);
  const pieces: FileSource[] = [];
  const close = async () => {
    for (const piece of pieces) await piece.close();
  };
  try {
    for (const piece of paths) pieces.push(await openAnyFile(piece));
  } catch (error) {
    await close();
    throw error;
  }
  const [first] = pieces;
  if (first === undefined || pieces.length === 1) return { ...first!, pieces: 1 };
  return { ...join(pieces), sectorBytes: first.sectorBytes, pieces: pieces.length, close };
}

async function* furtherPieces(path: string): AsyncGenerator<string> {
  const stem = path.slice(0, -2);
  for (let number = 1; number < 26 * 26; number += 1) {
    const next = stem + letters(Math.floor(number / 26)) + letters(number % 26);
    if (!(await stat(next).catch(() => undefined))?.isFile()) return;
    yield next;
  }
}

function letters(number: number): string {
  return String.fromCharCode("a".charCodeAt(0) + number);
}

function join(pieces: readonly FileSource[]): Pick<FileSource, "sizeBytes" | "read"> {
  const starts = pieces.map((_, index) => pieces.slice(0, index).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const sizeBytes = starts.at(-1)! + pieces.at(-1)!.sizeBytes;
  return {
    sizeBytes,
    read: async (offset, length) => {
      const result = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const index = starts.findLastIndex((start) => start <= offset + done);
        const inPiece = offset + done - starts[index]!;
        const part = Math.min(length - done, pieces[index]!.sizeBytes - inPiece);
        result.set(await pieces[index]!.read(inPiece, part), done);
        done += part;
      }
      return result;
    },
  };
}
