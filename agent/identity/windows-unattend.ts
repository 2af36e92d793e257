import type { Change, IdentityModule } from "./change.ts";
import { decoded, encoded, windowsName, windowsSystem } from "./windows-system.ts";

/** Where Setup looks for its answers at the first start after sysprep, below the Windows folder. */
const places = ["Panther/Unattend/Unattend.xml", "Panther/unattend.xml", "System32/Sysprep/unattend.xml"];

/** A generalised Windows asks for its name when it first starts: the answer is put into its answer file. */
export const windowsUnattend: IdentityModule = {
  name: "windows-unattend",
  async plan(volume, { hostName }) {
    const windows = await windowsSystem(volume);
    if (windows?.isGeneralised !== true) return undefined;
    const { name, notes } = windowsName(hostName);
    const changes: Change[] = [];
    const why = `Windows will be named ${name}`;
    let found = 0;
    for (const place of places) {
      const path = await volume.find(`${windows.root}/${place}`);
      const bytes = path === undefined ? undefined : await volume.readBytes(path);
      if (path === undefined || bytes === undefined) continue;
      found += 1;
      const { text, encoding } = decoded(bytes);
      const content = nameInUnattend(text, name, windows.architecture);
      if (content === undefined) notes.push(`${path} stays as it is: it is no answer file`);
      else if (content !== text) changes.push({ kind: "write", path, content: encoded(content, encoding), why });
    }
    const panther = await volume.find(`${windows.root}/Panther`);
    if (found === 0 && panther !== undefined) {
      const content = nameInUnattend(emptyFile, name, windows.architecture) ?? "";
      changes.push({ kind: "write", path: `${panther}/unattend.xml`, content, why });
    } else if (found === 0) notes.push(`${windows.root} has no Panther folder: Windows chooses a name itself`);
    return { changes, notes };
  },
};

const emptyFile = `<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend">
</unattend>
`;

/**
 * An answer file with the computer's name in the pass "specialize", in every component Microsoft-Windows-Shell-Setup
 * of it; what is missing is added, and all else stays byte for byte as it is.
 *
 * @returns undefined for what is no answer file
 */
export function nameInUnattend(text: string, name: string, architecture: string): string | undefined {
  // What stands in comments counts for nothing; places stay the same.
  const masked = text.replaceAll(/<!--[\s\S]*?-->/g, (comment) => " ".repeat(comment.length));
  const end = masked.lastIndexOf("</unattend>");
  if (end < 0) return undefined;
  const element = `<ComputerName>${name}</ComputerName>`;
  const settings = [...masked.matchAll(/<settings\b[^>]*\bpass\s*=\s*(["'])specialize\1[^>]*>[\s\S]*?<\/settings>/gi)];
  const edits: { from: number; to: number; text: string }[] = [];
  let named = 0;
  for (const pass of settings) {
    // Otherwise Setup takes the pass for one that it has been through.
    for (const done of (/^<settings\b[^>]*>/.exec(pass[0])?.[0] ?? "").matchAll(
      /\s+wasPassProcessed\s*=\s*(["'])true\1/gi,
    )) {
      edits.push({ from: pass.index + done.index, to: pass.index + done.index + done[0].length, text: "" });
    }
    const components = pass[0].matchAll(/<component\b[^>]*\bname\s*=\s*(["'])Microsoft-Windows-Shell-Setup\1[^>]*>/gi);
    for (const component of components) {
      named += 1;
      const from = pass.index + component.index;
      const inside = from + component[0].length;
      if (component[0].endsWith("/>")) {
        edits.push({ from, to: inside, text: `${component[0].replace(/\s*\/>$/, ">")}${element}</component>` });
        continue;
      }
      const until = masked.indexOf("</component>", inside);
      if (until < 0) return undefined;
      const old = /<ComputerName\b[^>]*(\/>|>[\s\S]*?<\/ComputerName\s*>)/i.exec(masked.slice(inside, until));
      if (old === null) edits.push({ from: inside, to: inside, text: element });
      else edits.push({ from: inside + old.index, to: inside + old.index + old[0].length, text: element });
    }
  }
  if (named === 0) {
    const arch = /\bprocessorArchitecture\s*=\s*["'](\w+)["']/.exec(masked)?.[1] ?? architecture;
    const component = `<component name="Microsoft-Windows-Shell-Setup" processorArchitecture="${arch}" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">${element}</component>`;
    const pass = settings[0];
    if (pass === undefined)
      edits.push({ from: end, to: end, text: `<settings pass="specialize">${component}</settings>\n` });
    else {
      const at = pass.index + pass[0].length - "</settings>".length;
      edits.push({ from: at, to: at, text: component });
    }
  }
  let result = text;
  for (const { from, to, text: fresh } of edits.toSorted((a, b) => b.from - a.from)) {
    result = result.slice(0, from) + fresh + result.slice(to);
  }
  return result;
}
