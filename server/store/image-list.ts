import type { ImageTag } from "../../images/manifest.ts";
import { readVerified, type Verified } from "./labels.ts";
import type { DamagedImage, ImageStore } from "./store.ts";

/** An image version as lists show it. */
export type ListedImage = ImageTag & {
  readonly diskBytes: number;
  readonly storedBytes: number;
  /** When its packs were last read and checked, and how many were bad; null: never. */
  readonly verified: Verified | null;
};

/**
 * Every image version that can be read.
 *
 * @param onDamaged told of each other one
 */
export async function listedImages(
  store: ImageStore,
  onDamaged: (image: DamagedImage) => void,
): Promise<ListedImage[]> {
  const images = await store.listImages(onDamaged);
  return Promise.all(
    images.map(async ({ tag, diskBytes, storedBytes }) => ({
      ...tag,
      diskBytes,
      storedBytes,
      verified: (await readVerified(store, tag)) ?? null,
    })),
  );
}
