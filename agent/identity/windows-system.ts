import type { VolumeFiles } from "./volume-files.ts";

/** A Windows on a volume; paths as they are written there. */
export type WindowsSystem = {
  /** "/Windows" */
  readonly root: string;
  readonly systemHive: string;
  /** sysprep /generalize was the last thing that ran: Windows asks for its name when it starts. */
  readonly isGeneralised: boolean;
  /** As unattend files write it. */
  readonly architecture: "amd64" | "arm64" | "x86";
};

/** The Windows whose root this volume holds; undefined for every other volume. */
export async function windowsSystem(volume: VolumeFiles): Promise<WindowsSystem | undefined> {
  const systemHive = await volume.find("/Windows/System32/config/SYSTEM");
  if (systemHive === undefined) return undefined;
  const root = (await volume.find("/Windows")) ?? "/Windows";
  const state = await volume.find(`${root}/Setup/State/State.ini`);
  const stateText = state === undefined ? "" : decoded((await volume.readBytes(state)) ?? Buffer.alloc(0)).text;
  const has = async (name: string) => (await volume.find(`${root}/${name}`)) !== undefined;
  const architecture = (await has("SysArm32")) ? "arm64" : (await has("SysWOW64")) ? "amd64" : "x86";
  return {
    root,
    systemHive,
    isGeneralised: /^\s*ImageState\s*=\s*IMAGE_STATE_GENERALIZE_/im.test(stateText),
    architecture,
  };
}

/** NetBIOS: what Windows takes for a computer's name. */
const MOST_LETTERS = 15;

/** The name as Windows takes it, and what to tell about it. */
export function windowsName(hostName: string): { name: string; notes: string[] } {
  const short = hostName.split(".")[0] ?? hostName;
  if (short.length <= MOST_LETTERS) return { name: short, notes: [] };
  const name = short.slice(0, MOST_LETTERS).replace(/-+$/, "");
  return {
    name,
    notes: [`Windows takes ${MOST_LETTERS} letters: "${short}" is cut to "${name}", which another host may have, too`],
  };
}

export type Encoding = "utf8" | "utf8-bom" | "utf16le-bom";

/** The text of a file as Notepad and Setup write it, and how it was written. */
export function decoded(bytes: Uint8Array): { text: string; encoding: Encoding } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer[0] === 0xff && buffer[1] === 0xfe) return { text: buffer.toString("utf16le", 2), encoding: "utf16le-bom" };
  const hasMark = buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf;
  return { text: buffer.toString("utf8", hasMark ? 3 : 0), encoding: hasMark ? "utf8-bom" : "utf8" };
}

export function encoded(text: string, encoding: Encoding): Buffer {
  const marked = encoding === "utf8" ? text : `\ufeff${text}`;
  return Buffer.from(marked, encoding === "utf16le-bom" ? "utf16le" : "utf8");
}
