import type { BootFiles } from "./boot-files.ts";
import type { NetBootImage } from "./net-boot-image.ts";
import type { BootPolicy } from "./policy.ts";

/**
 * The images that a Mac may have at all, before its model and address are looked at.
 *
 * - With an order, or to register: the agent alone. Nobody is to choose another
 *   image, and no remembered choice is to keep a Mac from its order.
 * - Nothing ordered: the site's own bundles, never the agent.
 * - With the menu: our loader, which shows it and ends at the disk, and the bundles for those who look for them.
 */
export function offeredImages(
  policy: BootPolicy,
  { macImages, macBundles = [] }: Pick<BootFiles, "macImages" | "macBundles">,
): readonly NetBootImage[] {
  switch (policy.boot) {
    case "agent":
      return macImages;
    case "disk":
      return macBundles;
    case "menu":
      return [...macImages, ...macBundles];
    case "nothing":
      return [];
  }
}
