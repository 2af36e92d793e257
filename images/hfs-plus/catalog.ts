import { Fault } from "../../fault.ts";
import type { BlockRun } from "../free-space/volume.ts";
import { foldCase } from "./case-folding.ts";
import type { PlacedEntry } from "./entry.ts";
import { fromVolumeName } from "./names.ts";
import {
  catalogKey,
  fileRecord,
  folderRecord,
  forkData,
  type Rights,
  ROOT_FOLDER_ID,
  threadRecord,
} from "./records.ts";
import { idOf } from "./shared-files.ts";
import type { TreeRecord } from "./tree-builder.ts";

const ROOT = -1;
const ROOT_PARENT_ID = 1;

/** What is in a new volume, as its catalog has it: every folder's entries in the order of their names. */
export class Catalog {
  readonly #entries: readonly PlacedEntry[];
  /** By the folder's place in the list; sorted. */
  readonly #children = new Map<number, number[]>();

  /** @throws {Fault} NAMES_COLLIDE */
  constructor(entries: readonly PlacedEntry[]) {
    this.#entries = entries;
    for (const [index, { folder }] of entries.entries()) {
      const children = this.#children.get(folder);
      if (children === undefined) this.#children.set(folder, [index]);
      else children.push(index);
    }
    for (const children of this.#children.values()) this.#sort(children);
  }

  /** The id of a folder; 0 when there is none. @param path below the root */
  folderId(path: string): number {
    let folder: number | undefined = ROOT;
    for (const name of path.split("/")) {
      folder = this.#children
        .get(folder)
        ?.find((child) => this.#entries[child]!.name === name && this.#entries[child]!.kind === "folder");
      if (folder === undefined) return 0;
    }
    return idOf(folder);
  }

  /**
   * All records in the order of their keys.
   *
   * @param dateSeconds the volume's; names of shared files have it, and are known by it
   * @param placeOf where an entry's content lies
   */
  *records(
    root: { readonly name: string; readonly rights: Rights; readonly dateSeconds: number },
    placeOf: (entry: number) => BlockRun,
  ): Generator<TreeRecord> {
    const { name, rights, dateSeconds } = root;
    const data = folderRecord(ROOT_FOLDER_ID, this.#childrenOf(ROOT).length, rights);
    yield { key: catalogKey(ROOT_PARENT_ID, name), data };
    yield { key: catalogKey(ROOT_FOLDER_ID, ""), data: threadRecord("folder", ROOT_PARENT_ID, name) };
    yield* this.#childRecords(ROOT, dateSeconds, placeOf);
    // Ids ascend as the list does.
    for (const [index, entry] of this.#entries.entries()) {
      const isFolder = entry.kind === "folder";
      const parentId = entry.folder === ROOT ? ROOT_FOLDER_ID : idOf(entry.folder);
      const thread = threadRecord(isFolder ? "folder" : "file", parentId, entry.name);
      yield { key: catalogKey(idOf(index), ""), data: thread };
      if (isFolder) yield* this.#childRecords(index, dateSeconds, placeOf);
    }
  }

  *#childRecords(folder: number, dateSeconds: number, placeOf: (entry: number) => BlockRun): Generator<TreeRecord> {
    const parentId = folder === ROOT ? ROOT_FOLDER_ID : idOf(folder);
    for (const index of this.#childrenOf(folder)) {
      const key = catalogKey(parentId, this.#entries[index]!.name);
      yield { key, data: this.#record(index, dateSeconds, placeOf) };
    }
  }

  #record(index: number, dateSeconds: number, placeOf: (entry: number) => BlockRun): Uint8Array {
    const { kind, rights, sizeBytes, finderFlags = 0, leadsTo, names } = this.#entries[index]!;
    const id = idOf(index);
    if (kind === "folder") return folderRecord(id, this.#childrenOf(index).length, rights, finderFlags);
    const dataFork = forkData(sizeBytes, sizeBytes === 0 ? { first: 0, count: 0 } : placeOf(index));
    if (leadsTo === undefined) {
      const linkKind = kind === "link" ? { kind: "slnkrhap" } : {};
      const linkChain = names === undefined ? {} : { linkChain: names.firstId };
      return fileRecord({ id, rights, dataFork, finderFlags, ...linkKind, ...linkChain });
    }
    // The neighbours in the chain of names stand in the place of the owner, who is the file's own.
    const { entry, previousId, nextId } = leadsTo;
    const chained = {
      mode: rights.mode,
      uid: previousId,
      gid: nextId,
      special: idOf(entry),
      changedSeconds: dateSeconds,
    };
    return fileRecord({ id, rights: chained, dataFork, finderFlags, kind: "hlnkhfs+", linkChain: 0 });
  }

  #childrenOf(folder: number): readonly number[] {
    return this.#children.get(folder) ?? [];
  }

  #sort(children: number[]): void {
    const folded = new Map(children.map((index) => [index, foldCase(this.#entries[index]!.name)]));
    children.sort((one, other) => (folded.get(one)! < folded.get(other)! ? -1 : 1));
    const twin = children.findIndex((one, at) => at > 0 && folded.get(one) === folded.get(children[at - 1]!));
    if (twin !== -1) throw collision(this.#pathOf(children[twin - 1]!), this.#pathOf(children[twin]!));
  }

  #pathOf(entry: number): string {
    const parts: string[] = [];
    for (let at = entry; at !== ROOT; at = this.#entries[at]!.folder)
      parts.unshift(fromVolumeName(this.#entries[at]!.name));
    return parts.join("/");
  }
}

function collision(one: string, other: string): Fault {
  return new Fault("NAMES_COLLIDE", {
    what: `"${one}" and "${other}" cannot both be on an HFS+ volume.`,
    why: "It does not tell upper from lower case, nor two ways to write the same letter.",
    fix: 'Rename one of them, or make an ext4 volume: "--file-system ext4".',
  });
}
