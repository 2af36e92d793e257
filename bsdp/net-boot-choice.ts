import type { BootImage, BootImageId } from "./boot-image.ts";
import { attributesOf, numberOfImageId } from "./boot-image.ts";
import type { NetBootImage } from "./net-boot-image.ts";

/** Who asks for images. */
export type NetBootClient = {
  readonly arch: string;
  readonly systemId: string;
  readonly mac: string;
};

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
 */
export function eligibleImages(images: readonly NetBootImage[], client: NetBootClient): NetBootImage[] {
  const mayHave = images.filter(
    (image) =>
      (image.architectures ?? ["i386"]).includes(client.arch) &&
      allows(image.enabledSystemIds, client.systemId) &&
      !(image.disabledMacs ?? []).includes(client.mac) &&
      allows(image.enabledMacs, client.mac),
  );
  const rank = (image: NetBootImage) =>
    image.isDefault !== true ? 2 : (image.enabledSystemIds ?? []).length > 0 ? 1 : 0;
  return mayHave.toSorted((one, other) => rank(one) - rank(other));
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

const allows = (list: readonly string[] | undefined, value: string): boolean =>
  list === undefined || list.length === 0 || list.includes(value);
