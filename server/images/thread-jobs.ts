import type { FaultText } from "../../fault.ts";
import type { PackCodec } from "../../images/pack.ts";
import type { PackedCodec } from "../../images/udif/codecs.ts";
import type { CompressCodec } from "./compress-chunk.ts";

/**
 * What the threads of `thread-pool.ts` do. Bytes that are given lie in shared
 * memory and stay the caller's, as does the memory that a result goes into; that of other results is handed over.
 */
export type Jobs = {
  /** The ids of cells, 32 bytes each; `isData` is 0 for a cell of zeros, which has none. */
  readonly identify: {
    readonly given: { readonly cells: readonly Uint8Array[] };
    readonly result: { readonly ids: Uint8Array; readonly isData: Uint8Array };
  };
  readonly pack: {
    readonly given: {
      readonly cells: readonly Uint8Array[];
      readonly codec: PackCodec;
      readonly level: number | undefined;
      readonly cellIds: Uint8Array;
      readonly into: Uint8Array;
    };
    readonly result: { readonly digest: string; readonly lengthBytes: number };
  };
  /** Checks a pack against what the manifest says of it; its cells, end to end, and how long they are. */
  readonly unpack: {
    readonly given: {
      readonly stored: Uint8Array;
      readonly digest: string;
      readonly cellIds: Uint8Array;
      readonly into: Uint8Array;
    };
    readonly result: number;
  };
  /** One chunk of a .dmg that is written; its length, or undefined when it is not shorter than `into` is. */
  readonly compress: {
    readonly given: { readonly codec: CompressCodec; readonly bytes: Uint8Array; readonly into: Uint8Array };
    readonly result: number | undefined;
  };
  /** One chunk of a .dmg that is read. */
  readonly decode: {
    readonly given: { readonly codec: PackedCodec; readonly bytes: Uint8Array; readonly length: number };
    readonly result: Uint8Array;
  };
};

export type JobKind = keyof Jobs;
export type Job = { readonly [Kind in JobKind]: { readonly kind: Kind; readonly given: Jobs[Kind]["given"] } }[JobKind];
export type ThreadAnswer =
  | { readonly result: Jobs[JobKind]["result"] }
  | { readonly fault: FaultText & { readonly code: string } }
  | { readonly problem: string };
