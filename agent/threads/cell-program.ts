/**
 * The program of `cell-thread.ts`: a file beside this one; the package has the same compiled. In the boot image the
 * agent is one file, and scripts/boot-image/bundle.ts puts the program's text here instead.
 */
export const cellProgram: URL | string = new URL(
  import.meta.url.endsWith(".ts") ? "./cell-thread.ts" : "./cell-thread.js",
  import.meta.url,
);
