import type { PackKeeper } from "../../agent/stream/pack-keeper.ts";
import { PackWork } from "../../agent/stream/pack-work.ts";
import { Fault } from "../../fault.ts";
import type { Manifest } from "../../images/manifest.ts";
import { openSealedPack } from "../../images/sealed-pack.ts";
import { digestOf, type RelaySpool } from "./relay-spool.ts";

/** Puts the packs of a reception into a relay's spool, as they were sent. */
export function relayKeeper(manifest: Manifest, spool: RelaySpool): PackKeeper {
  return {
    sink: {
      unpack(number, stored) {
        checkDigest(stored, manifest.packs[number]!.digest);
        return [stored];
      },
      write: (number, [stored]) => spool.write(number, stored!),
      writeZeros: async () => undefined,
      finish: async () => undefined,
    },
    openUnpacker(format) {
      const work = new PackWork(format);
      return {
        mostPacks: 1,
        async repair({ bytes, missing, parity }) {
          work.repair(bytes, missing, parity);
        },
        async unpack({ pieces }, { digest }) {
          const sent = Buffer.concat(pieces);
          const stored = format.key === undefined ? sent : openSealedPack(digest, sent, format.key);
          checkDigest(stored, digest);
          return { cells: [stored], free: () => undefined };
        },
        close: async () => undefined,
      };
    },
    holds: (number) => spool.holds(number),
  };
}

function checkDigest(stored: Uint8Array, digest: string): void {
  if (digestOf(stored) === digest) return;
  throw new Fault("PACK_DAMAGED", {
    what: `A pack that was named ${digest.slice(0, 16)}… has other bytes.`,
    why: "It was damaged or forged on its way.",
    fix: "It comes again; when it does not help, verify the image on the origin.",
  });
}
