/**
 * What it costs that a store is sealed, beside the same store plain: `npm run bench:sealed-store`.
 *
 *   --mebibytes 256    packs of so much, which do not shrink: the worst case
 *   --rounds 5         both take turns; the median counts
 *   --folder DIR       where the stores are (/dev/shm): in memory, so that no disk hides the work
 */
import { createCipheriv, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CELL_BYTES, CELLS_PER_PACK } from "../../images/cell.ts";
import { encodePack } from "../../images/pack.ts";
import { StoreKeyFile } from "../../server/store/key-file.ts";
import { changeSeal } from "../../server/store/seal.ts";
import { type ImageStore, openStore } from "../../server/store/store.ts";
import { mediansOf, printBench } from "./measure.ts";

const { values } = parseArgs({
  options: {
    mebibytes: { type: "string", default: "256" },
    rounds: { type: "string", default: "5" },
    folder: { type: "string", default: "/dev/shm" },
  },
});
const mebibytes = Number(values.mebibytes);
const rounds = Number(values.rounds);
const directory = mkdtempSync(join(values.folder, "bootcast-bench-sealed-"));
const { publicKey } = generateKeyPairSync("ed25519");
const keys = new StoreKeyFile(join(directory, "store.key"), join(directory, "sealed"));

/** One pack of noise each MiB, the same in each round. */
async function* packs() {
  const noise = createCipheriv("aes-256-ctr", Buffer.alloc(32, 1), Buffer.alloc(16));
  const zeros = new Uint8Array(CELL_BYTES);
  for (let number = 0; number < mebibytes; number += 1) {
    const cells = Array.from({ length: CELLS_PER_PACK }, () => noise.update(zeros));
    yield encodePack(cells, "stored");
  }
}

/** CPU seconds of all threads for each MiB, without what `packs` takes. */
async function costOf(run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / mebibytes;
}

async function measure(name: string, isSealed: boolean) {
  const path = join(directory, name);
  rmSync(path, { recursive: true, force: true });
  const store = await openStore(path, [publicKey], isSealed ? { keys } : {});
  const making = await costOf(async () => {
    for await (const _ of packs());
  });
  const write = await costOf(async () => {
    for await (const { digest, bytes } of packs()) await store.writePack(digest, bytes);
  });
  return { write: write - making, read: await readCost(store), check: await readCost(store, true) };
}

function readCost(store: ImageStore, isChecked = false): Promise<number> {
  return costOf(async () => {
    for await (const digest of store.packDigests()) await (isChecked ? store.isSound(digest) : store.readPack(digest));
  });
}

try {
  await keys.make();
  const plain = await mediansOf(rounds, () => measure("plain", false));
  const sealed = await mediansOf(rounds, () => measure("sealed", true));
  const toSeal = await openStore(join(directory, "plain"), [publicKey], { keys });
  const [key] = await keys.keys();
  const start = performance.now();
  const seal = await costOf(async () => void (await changeSeal(toSeal, key!.id)));
  const row = (what: string, plainSeconds: number, sealedSeconds: number) => ({
    what,
    "plain, CPU s per GiB": plainSeconds * 1024,
    "sealed, CPU s per GiB": sealedSeconds * 1024,
    "sealed / plain": sealedSeconds / plainSeconds,
  });
  const sealMibPerSecond = (mebibytes / (performance.now() - start)) * 1000;
  printBench("sealed-store", { mebibytes, rounds, "sealing MiB/s": Math.round(sealMibPerSecond) }, [
    row("write a pack", plain.write, sealed.write),
    row("read a pack", plain.read, sealed.read),
    row("read and hash a pack", plain.check, sealed.check),
    row("seal a plain store", plain.write, seal),
  ]);
} finally {
  rmSync(directory, { recursive: true });
}
