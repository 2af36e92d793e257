import { join } from "node:path";
import { type BootImage, readBootImages } from "../../scripts/boot-image/description.ts";
import type { Config } from "../../server/config/config.ts";
import type { ProbeResult } from "./boot-probes.ts";

const extras = [
  { setting: "boot.remote_shell", package: "dropbear-bin", what: "remote shell" },
  { setting: "boot.wired_8021x", package: "wpasupplicant", what: "802.1X" },
] as const;

/** Whether the boot images of this machine are what the settings say; nothing where there are none here. */
export async function probeExtras({ values, dataDir }: Config): Promise<ProbeResult[]> {
  const images = await readBootImages(join(dataDir, "boot")).catch(() => []);
  return images.flatMap((image) => extrasOf(image, (setting) => values[setting] !== undefined));
}

/** One warning for each setting that this image does not follow. */
export function extrasOf(
  image: Pick<BootImage, "architecture" | "extras">,
  isSet: (setting: (typeof extras)[number]["setting"]) => boolean,
): ProbeResult[] {
  return extras.flatMap(({ setting, package: name, what }) => {
    const isThere = image.extras?.includes(name) === true;
    if (isThere === isSet(setting)) return [];
    const detail = isThere
      ? `it has ${what}, though ${setting} is not set`
      : `${setting} is set, but it was built without ${what}`;
    const fix = 'Run "bootcast boot-image build".';
    return [{ probe: `boot image ${image.architecture}`, status: "warn" as const, detail, fix }];
  });
}
