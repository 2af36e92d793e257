import { createHash } from "node:crypto";
import { join } from "node:path";
import { type BootImage, readBootImages } from "../../scripts/boot-image/description.ts";
import { isWhole } from "../../scripts/boot-image/write-whole.ts";
import type { Config } from "../../server/config/config.ts";
import type { Finding } from "../../server/doctor/finding.ts";
import { readSitePublicKey } from "../../server/store/keys.ts";
import { VERSION } from "../version.ts";
import { probeExtras } from "./boot-image-probe.ts";

const fix = "sudo bootcast boot-image build";

/** Whether the Linux that machines boot is there, as it was built, and of this server. */
export async function lookAtBootImages(config: Config): Promise<Finding[]> {
  const { dataDir } = config;
  const images = await readBootImages(join(dataDir, "boot")).catch(() => []);
  if (images.length === 0) {
    return [{ probe: "boot image", status: "fail", detail: "There is none: no machine can start.", fix }];
  }
  const keys = await siteKeyDigest(dataDir);
  const own = await Promise.all(
    images.map(async ({ directory, ...image }) =>
      bootImageFinding(image, { isWhole: await isWhole(directory, image.files), keys, version: VERSION }),
    ),
  );
  return [...own, ...(await probeExtras(config))];
}

/** @param here what this server has and is; `keys` undefined where it has no key yet */
export function bootImageFinding(
  image: Pick<BootImage, "architecture" | "bootcast" | "node" | "kernel" | "siteKey" | "files">,
  here: { readonly isWhole: boolean; readonly keys: string | undefined; readonly version: string },
): Finding {
  const probe = `boot image ${image.architecture}`;
  const all = image.architecture === "arm64" ? `${fix} --arch amd64,arm64` : fix;
  if (!here.isWhole) {
    return { probe, status: "fail", detail: "Its files are not those that were built.", fix: all };
  }
  if (here.keys !== undefined && image.siteKey !== here.keys) {
    const detail =
      "It trusts other keys than this site's: its machines will refuse every order, or images that they may have.";
    return { probe, status: "fail", detail, fix: all };
  }
  if (image.bootcast !== here.version) {
    const detail = `It was built by bootcast ${image.bootcast}, and this is ${here.version}: new things will not work.`;
    return { probe, status: "warn", detail, fix: all };
  }
  const sizeBytes = image.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const detail = `Linux ${image.kernel}, Node ${image.node}, ${Math.round(sizeBytes / 1e6)} MB, as it was built.`;
  return { probe, status: "ok", detail };
}

/** As `boot-image build` writes it down; undefined where the site has no key yet. */
async function siteKeyDigest(dataDir: string): Promise<string | undefined> {
  const site = await readSitePublicKey(dataDir).catch(() => undefined);
  if (site === undefined) return undefined;
  const pem = site.trusted.map((key) => key.export({ type: "spki", format: "pem" }).toString()).join("");
  return createHash("sha256").update(pem).digest("hex");
}
