import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Fault } from "../../fault.ts";

/** What a client shows to a switch that asks who it is (802.1X): wpa_supplicant's configuration and the files it names. */
export type Credentials = {
  /** wpa_supplicant.conf, with the files under their place in the boot image. */
  readonly configuration: string;
  /** Path in the boot image ► content. */
  readonly files: ReadonlyMap<string, Uint8Array>;
};

const FOLDER = "etc/bootcast/802.1x";

/** wpa_supplicant.conf(5): the settings that name a file. */
const fileSettings = /^(\s*(?:ca_cert2?|client_cert2?|private_key2?|pac_file|dh_file2?)\s*=\s*)"([^"]*)"\s*$/gm;

/**
 * Reads a wpa_supplicant configuration for a wired network, and the certificates and keys that it names.
 *
 * @param path certificates are looked for beside it
 * @throws {Fault} WIRED_8021X_INVALID
 */
export async function readCredentials(path: string): Promise<Credentials> {
  const written = await read(path, path);
  const text = Buffer.from(written).toString("utf8");
  if (!/^\s*key_mgmt\s*=\s*.*\bIEEE8021X\b/m.test(text)) {
    throw invalid(path, "It has no network with key_mgmt=IEEE8021X.");
  }
  if (/^\s*(ca_path|ca_path2|engine|pkcs11_\w+|ctrl_interface)\s*=/m.test(text)) {
    throw invalid(path, "It has ca_path, engine, pkcs11_ or ctrl_interface, which the boot image cannot follow.");
  }
  const files = new Map<string, Uint8Array>();
  for (const [, , name = ""] of text.matchAll(fileSettings)) {
    if (name === "" || /^(blob|hash|probe):\/\//.test(name)) continue;
    const place = `${FOLDER}/${basename(name)}`;
    const content = await read(resolve(path, "..", name), path);
    const other = files.get(place);
    if (other !== undefined && !Buffer.from(other).equals(content)) {
      throw invalid(path, `Two of the files that it names are called ${basename(name)}.`);
    }
    files.set(place, content);
  }
  const configuration = text.replaceAll(fileSettings, (line: string, front: string, name: string) => {
    return files.has(`${FOLDER}/${basename(name)}`) ? `${front}"/${FOLDER}/${basename(name)}"` : line;
  });
  return { configuration, files };
}

async function read(path: string, configuration: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw invalid(configuration, `${path} cannot be read: ${(error as Error).message}`, error);
  }
}

function invalid(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "WIRED_8021X_INVALID",
    {
      what: `${path} cannot be used for 802.1X.`,
      why,
      fix: 'Write it for wpa_supplicant, as for "wpa_supplicant -D wired", and set boot.wired_8021x to its path.',
    },
    cause,
  );
}
