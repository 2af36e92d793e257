import { multiply } from "./galois.ts";
import { simdModule } from "./row-kernel-wasm.ts";

/** Rows start at multiples of so many bytes, and are as long: what one SIMD register holds. */
export const ROW_ALIGNMENT_BYTES = 16;

/**
 * Memory with rows of bytes, and the one operation on them that parity costs:
 * `target ^= factor × source`, byte by byte in GF(256).
 */
export type RowKernel = {
  /** The rows. Offsets below are into it. */
  readonly memory: Uint8Array;
  /** @param length bytes, a multiple of ROW_ALIGNMENT_BYTES */
  multiplyAdd(target: number, source: number, length: number, factor: number): void;
};

const PAGE_BYTES = 65_536;
/** For each factor its products with 0…15 and with 0, 16 … 240: a byte's product is the XOR of two of them. */
const TABLE_BYTES = 256 * 32;

/** A kernel with room for `bytes`: SIMD where the machine has it, else plain code that gives the same bytes. */
export function rowKernel(bytes: number): RowKernel {
  return simdKernel(bytes) ?? plainKernel(bytes);
}

/** What is used of the global `WebAssembly`; Node's types do not have it. */
type Assembly = {
  validate(code: Uint8Array): boolean;
  Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (code: Uint8Array) => object;
  Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: { f(target: number, source: number, length: number, table: number): void } };
};

/** Undefined where there is no WebAssembly, or none with SIMD. */
export function simdKernel(bytes: number): RowKernel | undefined {
  const assembly = (globalThis as { WebAssembly?: Assembly }).WebAssembly;
  const code = simdModule();
  if (assembly?.validate(code) !== true) return undefined;
  const pages = Math.ceil((TABLE_BYTES + bytes) / PAGE_BYTES);
  const memory = new assembly.Memory({ initial: pages, maximum: pages });
  new Uint8Array(memory.buffer).set(productTables());
  const run = new assembly.Instance(new assembly.Module(code), { e: { m: memory } }).exports.f;
  return {
    memory: new Uint8Array(memory.buffer, TABLE_BYTES, bytes),
    multiplyAdd(target, source, length, factor) {
      if (factor !== 0) run(TABLE_BYTES + target, TABLE_BYTES + source, length, factor * 32);
    },
  };
}

export function plainKernel(bytes: number): RowKernel {
  const memory = new Uint8Array(bytes);
  const products = new Uint8Array(256);
  return {
    memory,
    multiplyAdd(target, source, length, factor) {
      if (factor === 0) return;
      for (let value = 0; value < 256; value += 1) products[value] = multiply(value, factor);
      for (let at = 0; at < length; at += 1) memory[target + at]! ^= products[memory[source + at]!]!;
    },
  };
}

function productTables(): Uint8Array {
  const tables = new Uint8Array(TABLE_BYTES);
  for (let factor = 0; factor < 256; factor += 1) {
    for (let digit = 0; digit < 16; digit += 1) {
      tables[factor * 32 + digit] = multiply(factor, digit);
      tables[factor * 32 + 16 + digit] = multiply(factor, digit << 4);
    }
  }
  return tables;
}
