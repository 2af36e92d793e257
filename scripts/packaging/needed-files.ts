/** What a package's folder has at its top for who works on it. Deeper down such a name may be a part of the program. */
const forAuthors = ["benchmark", "benchmarks", "doc", "docs", "example", "examples", "integration", "test", "tests"];

/**
 * Whether a file of an npm package is needed where the program runs: code and data, and what its licence wants kept; no
 * tests, no descriptions, nothing that was built for other machines.
 *
 * @param path below the package's folder
 * @param npm npm's name of the architecture: "x64"
 */
export function isNeededFile(path: string, npm: string): boolean {
  const parts = path.split("/");
  const name = parts.at(-1) ?? "";
  if (parts.length > 1 && forAuthors.includes(parts[0]!)) return false;
  if (parts.some((part) => part.startsWith("."))) return false;
  const prebuilt = parts.indexOf("prebuilds");
  if (prebuilt !== -1 && parts[prebuilt + 1] !== `linux-${npm}`) return false;
  if (/^electron\b/.test(name) || parts.some((part) => part.startsWith("musl_"))) return false;
  return /^(licen[cs]e|copying|notice|authors)\b/i.test(name) || /\.(js|cjs|mjs|json|node|wasm)$/.test(name);
}

/** Whether a file is a program by itself, which nobody calls here: it begins with "#!". */
export function isProgram(content: Uint8Array): boolean {
  return content[0] === 0x23 && content[1] === 0x21;
}
