import type { BootImage, BootImageId } from "./boot-image.ts";
import { attributesOf, numberOfImageId } from "./boot-image.ts";
import { hasEfi32 } from "./mac-models.ts";
import type { NetBootImage } from "./net-boot-image.ts";

/** Who asks for images. */
export type NetBootClient = {
  readonly arch: string;
  readonly systemId: string;
  readonly mac: string;
};

/** TFTP path of the program that this client can run. */
export function bootFileFor(image: NetBootImage, client: NetBootClient): string {
  return (
    image.modelBootFiles?.[client.systemId] ??
    (hasEfi32(client.systemId) ? image.bootFile32 : undefined) ??
    image.bootFiles?.[client.arch] ??
    image.bootFile
  );
}

/** The image as it stands in a list. */
export function bootImageOf(image: NetBootImage): BootImage {
  return { index: image.index, kind: image.kind ?? 1, isInstall: image.isInstall ?? true, name: image.name };
}

/** The id of an image as the number that it is on the wire. */
export function imageNumberOf(image: NetBootImage): number {
  return numberOfImageId(bootImageOf(image));
}

/**
 * The images that a client may have, defaults first: those for every model,
 * then those for its model, then the rest as given.
 * Source: bootplib/nbimages.c, NBImageEntry_supported_sysid and the loader's order.
 *
 * @returns at least one image, or why there is none
 */
export function eligibleImages(
  images: readonly NetBootImage[],
  client: NetBootClient,
): NetBootImage[] | "no-image" | "no-image-for-architecture" | "no-image-for-model" | "mac-not-allowed" {
  if (images.length === 0) return "no-image";
  const running = images.filter((image) => (image.architectures ?? ["i386"]).includes(client.arch));
  if (running.length === 0) return "no-image-for-architecture";
  const fitting = running.filter(({ enabledSystemIds, disabledSystemIds }) =>
    allows(enabledSystemIds, disabledSystemIds, client.systemId),
  );
  if (fitting.length === 0) return "no-image-for-model";
  const allowed = fitting.filter(({ enabledMacs, disabledMacs }) => allows(enabledMacs, disabledMacs, client.mac));
  if (allowed.length === 0) return "mac-not-allowed";
  const rank = (image: NetBootImage) =>
    image.isDefault !== true ? 2 : (image.enabledSystemIds ?? []).length > 0 ? 1 : 0;
  return allowed.toSorted((one, other) => rank(one) - rank(other));
}

/**
 * The images that a list shows: with a filter those whose attributes are
 * named in it, without one those that are not hidden.
 */
export function filteredImages(images: readonly NetBootImage[], filter: readonly number[] | undefined): NetBootImage[] {
  return images.filter((image) => {
    const id: BootImageId = bootImageOf(image);
    // Hardware diagnostics are hidden unless their owner says otherwise.
    if (filter === undefined) return !(image.isFilterOnly ?? id.kind === 3);
    return filter.includes(attributesOf(id));
  });
}

function allows(enabled: readonly string[] = [], disabled: readonly string[] = [], value: string): boolean {
  return (enabled.length === 0 || enabled.includes(value)) && !disabled.includes(value);
}
