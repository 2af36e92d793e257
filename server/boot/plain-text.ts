import { Fault } from "../../fault.ts";

/**
 * Text from elsewhere (a reason, a host's name, a model) as it may stand in a boot script: iPXE expands `${...}` and
 * takes `||`, `&&`, `;` and `#` as its own; GRUB takes quotes. None of these comes through, nor a line break.
 *
 * @param most characters; a longer text ends in "..."
 */
export function plainText(text: string, most: number): string {
  const plain = text
    .replace(/[^A-Za-z0-9 .,:()/_-]+/g, " ")
    .replace(/ {2,}/g, " ")
    .trim();
  return plain.length > most ? `${plain.slice(0, most - 3)}...` : plain;
}

/**
 * What the administrator adds to the kernel's command line.
 *
 * @throws {Fault} KERNEL_ARGS_INVALID when they would break the script's line
 */
export function checkedKernelArgs(kernelArgs: string): string {
  const args = kernelArgs.trim();
  const isEven = (args.match(/"/g)?.length ?? 0) % 2 === 0;
  // A word that begins with # starts a comment in iPXE, a lone ; ends the command, \ at the end joins the next line.
  if (!/[^\x20-\x7e]|\|\||&&|\$\{|(^| )#|(^| );( |$)|\\$/.test(args) && isEven) return args;
  throw new Fault("KERNEL_ARGS_INVALID", {
    what: `The kernel arguments ${JSON.stringify(args)} cannot be used.`,
    why: "They stand in one line of a boot script: only ASCII, quotes in pairs, and none of || && ${ ; # as words.",
    fix: "Change boot.kernel_args.",
  });
}

/**
 * The kernel's own way to split its command line: at spaces, but not between double quotes.
 *
 * @returns the words without their quotes: `a="b c"` is `a=b c`
 */
export function kernelWords(args: string): string[] {
  const words = args.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  return words.map((word) => word.replaceAll('"', ""));
}
